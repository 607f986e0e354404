/* See lora_test.h. */
#include "tests/model/lora_test.h"

#include <math.h>
#include <stdlib.h>

#include "model/internal.h"

const lora_arch models[N_MODELS] = {{"llama", true}, {"gemma3", true},   {"qwen2", true},
                                    {"gpt2", true},  {"gpt_neox", true}, {"gpt_neox", false}};

void close_to(double got, double want, double atol, double rtol, const char *what)
{
    bool ok = fabs(got - want) <= atol + rtol * fabs(want);

    if (!ok)
        fail_msg("%s: got %.9g, want %.9g", what, got, want);
}

madpo_adapter_config adapter_shape(const madpo_model_config *c, int i, const setting *s)
{
    madpo_adapter_options o = {.name = i == 0 ? "sft" : "policy",
                               .targets = s->targets,
                               .r = 3 + i,
                               .alpha = 5,
                               .rslora = i == 1,
                               .dropout = s->dropout,
                               .score = s->reward};
    madpo_adapter_config out;

    MODEL_OK(madpo_adapter_config_init(&out, c, &o, err));
    for (int32_t l = 0; i == s->n - 1 && l < s->from_layer; l++)
        for (int site = 0; site < MADPO_N_SITES; site++)
            out.at[l * MADPO_N_SITES + site].r = 0;
    return out;
}

static void randomise(madpo_model *m, madpo_tensor t, double std, uint64_t stream)
{
    float *w = malloc((size_t)t.n * sizeof *w);
    madpo_rng rng;

    assert_non_null(w);
    madpo_rng_init(&rng, 5, stream);
    for (int64_t j = 0; j < t.n; j++)
        w[j] = (float)(std * madpo_rng_normal(&rng));
    MODEL_OK(madpo_tensor_write(m->dev, t, w, t.n, err));
    free(w);
}

madpo_model *lora_model(madpo_device *dev, size_t k, const setting *s)
{
    madpo_model_config c = model_config(models[k].arch, models[k].tied);
    madpo_model_options o = model_options(s->train, s->reward, 0);
    madpo_adapter_config shape[2];
    madpo_adapter_slot slot[2];
    madpo_model *m;

    for (int i = 0; i < s->n; i++) {
        shape[i] = adapter_shape(&c, i, s);
        slot[i] = (madpo_adapter_slot){&shape[i], s->train && i == s->n - 1};
    }
    o.adapters = slot;
    o.n_adapters = s->n;
    o.recompute = s->recompute;
    o.storage = s->storage;
    MODEL_OK(madpo_model_new(&m, dev, &c, &o, err));
    for (int i = 0; i < s->n; i++)
        madpo_adapter_config_dispose(&shape[i]);
    if (s->storage == MADPO_DTYPE_F32)
        model_randomise(m, 77);
    for (int i = 0; i < m->n_adapters; i++)
        for (int32_t at = 0; at < c.L * MADPO_N_SITES; at++) {
            madpo__lora *lora = &m->adapter[i].at[at];

            if (lora->r == 0)
                continue;
            randomise(m, lora->a, .15, (uint64_t)(100 * i + at));
            randomise(m, lora->b, .15, (uint64_t)(1000 + 100 * i + at));
        }
    return m;
}

double loss_of(pass_case *c)
{
    int64_t n = c->reward ? c->b->n_seq : c->b->R;
    double loss = 0;

    for (int64_t i = 0; i < n; i++) {
        double k = .2 + .1 * (double)(i % 5);

        loss += k * sin(c->out[i]);
        c->dout[i] = k * cos(c->out[i]);
    }
    return loss;
}

void device_forward(madpo_model *m, pass_case *c, float *f)
{
    int64_t n = c->reward ? c->b->n_seq : c->b->R;

    if (c->reward)
        MODEL_OK(madpo_model_rewards(m, c->b, f, err));
    else
        MODEL_OK(madpo_model_logps(m, c->b, f, NULL, err));
    for (int64_t i = 0; i < n; i++)
        c->out[i] = f[i];
}

void device_pass(madpo_model *m, pass_case *c)
{
    int64_t n = c->reward ? c->b->n_seq : c->b->R;
    float f[MAX_ROWS];

    device_forward(m, c, f);
    (void)loss_of(c);
    for (int64_t i = 0; i < n; i++)
        f[i] = (float)c->dout[i];
    if (c->reward)
        MODEL_OK(madpo_model_backward_rewards(m, c->b, f, err));
    else
        MODEL_OK(madpo_model_backward_logps(m, c->b, f, err));
}
