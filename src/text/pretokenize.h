#ifndef MADPO_TEXT_PRETOKENIZE_H
#define MADPO_TEXT_PRETOKENIZE_H
/* Matchers for the two patterns that nearly all byte-level tokenizers cut their text with, by hand
 * over four classes of code points (letter, number, white space, other). An invalid UTF-8 byte
 * counts as one code point of class other. Other patterns go through PCRE2: regex.h. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* End of the piece that starts at text[at], at < n; text [n bytes] is a whole text or the whole
 * stretch between two special tokens (white space before its end is cut differently). GPT-2:
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+  */
size_t madpo__pretokenize_next(const char *text, size_t n, size_t at);
/* The same for Llama-3 (digits 3) and Qwen2 (digits 1):
 *
 *     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}|
 *      ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+  */
size_t madpo__pretokenize_llama3(const char *text, size_t n, size_t at, int digits);

/* Unicode's White_Space, which is what \s means in the engine Hugging Face uses. */
bool madpo__is_space(int32_t cp);
bool madpo__is_number(int32_t cp); /* categories Nd, Nl, No */
bool madpo__is_mark(int32_t cp);   /* categories Mn, Mc, Me */
/* \w of Rust's regex: letters, marks, decimal digits, connectors, joiners. */
bool madpo__is_word(int32_t cp);
#endif
