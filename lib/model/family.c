/* family.c - which architecture a file is of. See model.h.
 */
#include "model.h"

/* A string, or the first of several; false if there is none. */
static bool read_name(struct str *name, const struct meta *m)
{
    const uint8_t *cursor = m ? m->at : NULL;

    if (!m || m->type != META_STR || m->count == 0)
        return false;
    *name = pi_meta_next_str(&cursor);
    return name->n > 0;
}

/* A model of several parts in one config.json names the architecture of its text part too. */
static int find_arch_of_folder(struct found_arch *f, const struct weights *w, pith_error *err)
{
    const struct meta *part = pi_meta_find(w, STR("text_config.model_type"));
    struct str whole;

    if (!read_name(&f->name, pi_meta_find(w, STR("model_type"))) &&
        !read_name(&f->name, pi_meta_find(w, STR("architectures"))))
        return pi_fail(err, PITH_E_FORMAT, "config.json: model_type is missing");
    whole = f->name;
    f->wrapper = pi_arch_wrapper(whole);
    if (f->wrapper && !read_name(&f->name, part))
        f->name = pi_str(f->wrapper->text);
    f->arch = pi_arch_find(f->name, true);
    return f->arch || !f->wrapper ? PITH_OK
        : pi_fail(err, PITH_E_UNSUPPORTED, "architecture %.*s, the text part of %.*s, is not "
                  "supported", (int)pi_min_size(f->name.n, 60), f->name.at,
                  (int)pi_min_size(whole.n, 60), whole.at);
}

int pi_model_find_arch(struct found_arch *f, const struct weights *w, pith_error *err)
{
    bool found = true;

    *f = (struct found_arch){ .name = STR("") };
    if (w->hf) {
        TRY(find_arch_of_folder(f, w, err));
    } else {
        TRY(pi_meta_str(w, "general.architecture", &f->name, &found, err));
        f->arch = found && w->n_tensors ? pi_arch_find(f->name, false) : NULL;
    }
    if (w->n_tensors == 0 && !w->hf)
        return PITH_OK; /* a vocabulary alone needs no architecture */
    if (!found)
        return pi_fail(err, PITH_E_FORMAT, "key general.architecture is missing");
    if (!f->arch)
        return pi_fail(err, PITH_E_UNSUPPORTED, "architecture %.*s is not supported",
                       (int)pi_min_size(f->name.n, 60), f->name.at);
    return PITH_OK;
}
