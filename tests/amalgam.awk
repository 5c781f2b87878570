# amalgam.awk - joins the sources, given in the order of the floors, into one file.
#
# Local headers are inlined where they are first included, ops.def every time. What lies in a
# kernel folder is wrapped in the target pragmas that match the Makefile's flags for it.

function isa_of(path) {
    if (path ~ /kernel\/avx2\//)
        return "avx2,fma,f16c"
    if (path ~ /kernel\/avx512\//)
        return "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bitalg,avx512vnni"
    if (path ~ /kernel\/(bf16|amx)\//)
        return "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bitalg,avx512vnni,avx512bf16"
    if (path ~ /kernel\/neon\//)
        return "arch=armv8-a"
    if (path ~ /kernel\/dotprod\//)
        return "arch=armv8.2-a+dotprod"
    if (path ~ /kernel\/i8mm\//)
        return "arch=armv8.2-a+dotprod+i8mm"
    return ""
}

function machine_of(isa) {
    return isa ~ /^arch=/ ? "__aarch64__" : "__x86_64__"
}

# clang takes the features alone.
function features_of(isa) {
    sub(/^arch=armv[^+]*[+]?/, "neon+", isa)
    sub(/[+]$/, "", isa)
    gsub(/[+]/, ",", isa)
    return isa
}

function folder_of(path) {
    sub(/[^\/]*$/, "", path)
    return path
}

function resolve(name, from,   path, line) {
    path = folder_of(from) name
    if ((getline line < path) > 0) {
        close(path)
        while (path ~ /[^\/]+\/\.\.\//)
            sub(/[^\/]+\/\.\.\//, "", path)
        return path
    }
    return "lib/" name
}

function put(path,   line, name, known) {
    while ((getline line < path) > 0) {
        if (line !~ /^#include "/) {
            print line
            continue
        }
        name = line
        sub(/^#include "/, "", name)
        sub(/".*/, "", name)
        if (name == "pith.h") {
            print "#include \"pith.h\""
            continue
        }
        name = resolve(name, path)
        known = name in seen
        seen[name] = 1
        if (!known || name ~ /\.def$/)
            put(name)
    }
    close(path)
}

# Macros of a .c file end with it.
function forget(path,   line, word) {
    while ((getline line < path) > 0)
        if (line ~ /^#define [A-Za-z_]/) {
            split(line, word, /[ (]/)
            print "#undef " word[2]
        }
    close(path)
}

BEGIN {
    print "/* pith.c - the whole library in one file, made by `make one`. See the repository for sources"
    print " * that are meant to be read. */"
    print "#if defined(__GNUC__)"
    print "#pragma GCC diagnostic ignored \"-Wmissing-field-initializers\" /* sparse tables */"
    print "#endif"
    print "#ifndef _GNU_SOURCE"
    print "#define _GNU_SOURCE"
    print "#endif"
    for (i = 1; i < ARGC; i++) {
        isa = isa_of(ARGV[i])
        if (isa != "") {
            if (!intrinsics++) {
                print "#if defined(__x86_64__)"
                print "#include <immintrin.h>"
                print "#elif defined(__aarch64__)"
                print "#include <arm_neon.h>"
                print "#endif"
            }
            print "#if defined(" machine_of(isa) ")"
            print "#if defined(__clang__)"
            print "#pragma clang attribute push(__attribute__((target(\"" features_of(isa) "\"))), apply_to = function)"
            print "#else"
            print "#pragma GCC push_options"
            print "#pragma GCC target(\"" isa "\")"
            print "#endif"
        }
        put(ARGV[i])
        forget(ARGV[i])
        if (isa != "") {
            print "#if defined(__clang__)"
            print "#pragma clang attribute pop"
            print "#else"
            print "#pragma GCC pop_options"
            print "#endif"
            print "#endif"
        }
    }
    exit
}
