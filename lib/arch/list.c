/* list.c - every architecture, one row each.
 */
#include "arch.h"

extern const struct arch pi_arch_llama, pi_arch_qwen2, pi_arch_qwen3, pi_arch_gpt2;
extern const struct arch pi_arch_qwen3moe;

static const struct arch *const families[] = {
    &pi_arch_llama,
    &pi_arch_qwen2,
    &pi_arch_qwen3,
    &pi_arch_gpt2,
    &pi_arch_qwen3moe,
};

const struct arch *pi_arch_at(int i)
{
    return (size_t)i < PI_COUNT(families) ? families[i] : NULL;
}

const struct arch *pi_arch_find(struct str name, bool hf)
{
    for (size_t i = 0; i < PI_COUNT(families); i++) {
        struct str rest = pi_str(hf && families[i]->hf ? families[i]->hf : families[i]->name);
        struct str one;

        while (pi_str_cut(&rest, '|', &one))
            if (pi_str_equal(name, one))
                return families[i];
    }
    return NULL;
}
