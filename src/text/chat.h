#ifndef MADPO_TEXT_CHAT_H
#define MADPO_TEXT_CHAT_H
/* Chat layouts: how a list of messages becomes the text that a chat model was trained on. The three
 * families that cover the supported models are written out here; a tokenizer's Jinja template is
 * not run, only recognised by the marks it puts around a turn. What single templates of a family do
 * besides is written by madpo_chat_format_of as far as it concerns the system turn; Qwen3's empty
 * thoughts in front of an answer are not. */
#include "text/tokenizer.h"

typedef enum madpo_chat_kind {
    MADPO_CHAT_NONE,   /* contents one after the other, nothing added */
    MADPO_CHAT_GEMMA,  /* <start_of_turn>user\nTEXT<end_of_turn>\n */
    MADPO_CHAT_LLAMA3, /* <|start_header_id|>user<|end_header_id|>\n\nTEXT<|eot_id|> */
    MADPO_CHAT_CHATML  /* <|im_start|>user\nTEXT<|im_end|>\n */
} madpo_chat_kind;

typedef struct madpo_chat_message {
    const char *role, *content; /* borrowed; role is "system", "user" or "assistant" */
    size_t n_content;
} madpo_chat_message;

/* Kind by name ("gemma", "llama3", "chatml", "none"); false if unknown. */
bool madpo_chat_kind_find(madpo_chat_kind *out, const char *name);
/* Kind of a tokenizer's own chat template; NONE if it has no template; MADPO_ERR_UNSUPPORTED if it
 * has another. */
madpo_status madpo_chat_of_tokenizer(madpo_chat_kind *out, const madpo_tokenizer *tok,
                                     madpo_error *err) MADPO_MUST_CHECK;
/* Render messages as text (owned by the caller, free()). add_generation_prompt: end with the head
 * of an assistant turn. The begin token is NOT part of the text: the tokenizer's template adds it.
 * Unknown role, empty list, roles that do not alternate where the layout demands it:
 * MADPO_ERR_DATA. */
madpo_status madpo_chat_format(char **out, size_t *n, madpo_chat_kind kind,
                               const madpo_chat_message *messages, size_t n_messages,
                               bool add_generation_prompt, madpo_error *err) MADPO_MUST_CHECK;
/* The same as the tokenizer's own template does it: with the system message that it puts in front
 * when the messages have none (Qwen2, SmolLM2), and with the dates that Llama-3.1 and 3.2 write
 * into every system turn (the template's fixed date: today's would make each day other prompts).
 * `kind` NONE, no tokenizer (NULL) and one without template are as madpo_chat_format. */
madpo_status madpo_chat_format_of(char **out, size_t *n, const madpo_tokenizer *tok,
                                  madpo_chat_kind kind, const madpo_chat_message *messages,
                                  size_t n_messages, bool add_generation_prompt,
                                  madpo_error *err) MADPO_MUST_CHECK;
/* The system message that the tokenizer's template begins with when the messages have none, as text
 * owned by the caller, "" if it has none. */
madpo_status madpo_chat_default_system(char **out, size_t *n, const madpo_tokenizer *tok,
                                       madpo_error *err) MADPO_MUST_CHECK;
/* What a completion turn looks like behind the prompt text: content + end-of-turn text
 * ("<end_of_turn>\n", "<|eot_id|>", "<|im_end|>\n"). */
madpo_status madpo_chat_format_completion(char **out, size_t *n, madpo_chat_kind kind,
                                          const madpo_chat_message *message,
                                          madpo_error *err) MADPO_MUST_CHECK;
/* Content of the end-of-turn token ("" for none), which generation also stops at. */
const char *madpo_chat_end_of_turn(madpo_chat_kind kind);
#endif
