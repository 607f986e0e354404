#ifndef TESTS_FUZZ_PRINTABLE_H
#define TESTS_FUZZ_PRINTABLE_H
/* What may be in a cell of a picture. */
#include "tui/grid.h"

/* No control character of either set, no half of a surrogate pair, and in ASCII nothing else. */
static inline bool fuzz_is_printable(uint32_t glyph, madpo_glyphs glyphs)
{
    if (glyphs == MADPO_GLYPHS_ASCII)
        return glyph >= ' ' && glyph < 0x7f;
    return glyph >= ' ' && glyph != 0x7f && !(glyph >= 0x80 && glyph < 0xa0) &&
           !(glyph >= 0xd800 && glyph < 0xe000) && glyph < 0x110000;
}
#endif
