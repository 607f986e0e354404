#ifndef MADPO_TEXT_PRETOKENIZE_H
#define MADPO_TEXT_PRETOKENIZE_H
/* GPT-2's pre-tokenizer: cuts a text into the pieces that BPE never merges across.
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * matched by hand over four classes of code points (letter, number, white space, other). An invalid
 * UTF-8 byte counts as one code point of class other. */
#include <stddef.h>

/* End of the piece that starts at text[at], at < n; text [n bytes] is a whole text or the whole
 * stretch between two special tokens (white space before its end is cut differently). */
size_t madpo__pretokenize_next(const char *text, size_t n, size_t at);
#endif
