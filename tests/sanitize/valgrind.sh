# Tests of the front end and pictures of a run under valgrind: it sees what the sanitizers do not, values that
# were never set. (Not those with millions of points: valgrind is fifty times slower.) Label slow.
. "$(dirname "$0")/../support/cli.sh"
command -v valgrind >/dev/null || skip "no valgrind"
check() { # check PROGRAM...: no error of memory, nothing lost
    valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite "$@" >out 2>err ||
        fail "$*: $(tail -n 30 err)"
}
for test in scan keys palette; do
    check "$MADPO_TEST_BINARY_DIR/tests/tui/test_tui_$test"
    say "$test"
done
check "$MADPO_TEST_BINARY_DIR/tests/unit/test_unit_control"
say "control"
bash "$MADPO_TEST_SOURCE_DIR/tests/tui/fixture.sh" fixture
for size in 20x5 40x10 80x24 200x60; do
    for glyphs in ascii braille; do
        LC_ALL=C.UTF-8 check "$MADPO" watch fixture --dump-screen $size --glyphs=$glyphs
    done
done
for keys in "$MADPO_TEST_SOURCE_DIR"/tests/tui/screens/*.keys; do
    check "$MADPO" watch fixture --dump-screen 120x40 --script "$keys"
done
say "pictures"
corpus=$MADPO_TEST_SOURCE_DIR/tests/fuzz/corpus
check "$MADPO_TEST_BINARY_DIR/tests/fuzz/test_fuzz_watch" "$corpus/watch" 40
check "$MADPO_TEST_BINARY_DIR/tests/fuzz/test_fuzz_text" "$corpus/text" 100
say "files of any bytes"
