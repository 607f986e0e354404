# `cmake --install` into a prefix: the program works there alone, and a C program finds library and headers
# through pkg-config, trains on pairs and saves a model.
. "$(dirname "$0")/../support/cli.sh"
: "${CMAKE:?}" "${CC:?}" "${MADPO_TEST_BINARY_DIR:?}"
command -v pkg-config >/dev/null || skip "no pkg-config"

expect 0 "$CMAKE" --install "$MADPO_TEST_BINARY_DIR" --prefix "$work/first"
mv first prefix # it must not remember where it was installed
expect 0 env -C / "$work/prefix/bin/madpo" version
for file in include/madpo/madpo.h include/madpo/version.h share/madpo/configs/imdb.cfg; do
    [ -s "prefix/$file" ] || fail "not installed: $file"
done
pc=$(find prefix -name madpo.pc)
[ -n "$pc" ] || fail "no madpo.pc"
export PKG_CONFIG_PATH=$work/${pc%/*}
[ "$(pkg-config --modversion madpo)" = "$MADPO_VERSION" ] || fail "version in madpo.pc"
cflags=$(pkg-config --cflags madpo)
libs=$(pkg-config --libs madpo)
export LD_LIBRARY_PATH=$work/${pc%/pkgconfig/*}
# shellcheck disable=SC2086
expect 0 $CC -std=c11 -Wall -Wextra -Werror $SANITIZE \
    "$MADPO_TEST_SOURCE_DIR/tests/e2e/library_example.c" $cflags $libs -o align

write_pairs 40 >pairs.jsonl
expect 2 ./align pairs.jsonl
settings=(model.hidden=32 model.layers=1 model.heads=2 model.kv_heads=1 tokenizer.vocab=320
    data.max_tokens=32 data.truncate_prompt=true batch.tokens=256 sft.max_steps=4 reward.max_steps=4
    policy.max_steps=4 sft.batch=4 reward.batch=4 policy.batch=4)
expect 0 ./align pairs.jsonl run saved "${settings[@]}"
no_error
ended run done
for file in config.json model.safetensors tokenizer.json; do
    [ -s "saved/$file" ] || fail "the exported model lacks $file"
done
same_file saved/model.safetensors run/models/policy/model.safetensors
expect 1 ./align none.jsonl run2 saved2
grep -q 'none.jsonl' err || fail "the missing file is not named"
