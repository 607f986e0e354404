#ifndef MADPO_MODEL_SHARDS_H
#define MADPO_MODEL_SHARDS_H
/* The safetensors files of a Hugging Face model directory as one list of tensors:
 * model.safetensors, or the shards that model.safetensors.index.json names. The index is the
 * authority: every tensor it lists must be in the shard it says, and no shard may hold another one.
 */
#include "model/safetensors.h"

typedef struct madpo_shards madpo_shards;

/* Errors: MADPO_ERR_IO if there is no such file (with the remedy where there are weights of another
 * format), MADPO_ERR_DATA if index and shards disagree, and those of madpo_safetensors_open. */
madpo_status madpo_shards_open(madpo_shards **out, const char *dir,
                               madpo_error *err) MADPO_MUST_CHECK;
size_t madpo_shards_count(const madpo_shards *shards); /* tensors of all files */
/* The i-th by name, and the path of its file (`path` may be NULL); both borrowed. */
const madpo_safetensor *madpo_shards_at(const madpo_shards *shards, size_t i, const char **path);
/* Its number, or madpo_shards_count if there is none of that name. */
size_t madpo_shards_find(const madpo_shards *shards, const char *name);
/* The single file's path, or the index's, for messages about the whole. Borrowed. */
const char *madpo_shards_path(const madpo_shards *shards);
void madpo_shards_close(madpo_shards *shards); /* accepts NULL */
#endif
