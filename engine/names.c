/* SPDX-License-Identifier: Apache-2.0 */

/* Names: which are allowed, and the ones given to containers whose client named none. */

#include <string.h>

#include "engine/create.h"

#define ATTEMPTS_WITHOUT_NUMBER 8

static const char *const adjectives[] = {
        "able",     "amber",   "brave",   "bright",  "brisk",     "calm",    "candid",
        "cheerful", "clever",  "cosmic",  "curious", "daring",    "dapper",  "eager",
        "earnest",  "elegant", "exact",   "fair",    "fearless",  "fluent",  "focused",
        "friendly", "frosty",  "gallant", "gentle",  "gifted",    "golden",  "graceful",
        "happy",    "hardy",   "honest",  "humble",  "inventive", "jolly",   "keen",
        "kind",     "lively",  "logical", "loyal",   "lucid",     "mellow",  "merry",
        "mighty",   "modest",  "nimble",  "noble",   "patient",   "playful", "polite",
        "proud",    "quick",   "quiet",   "quirky",  "radiant",   "ready",   "serene",
        "silent",   "sincere", "sleek",   "smart",   "steady",    "sunny",   "swift",
        "tender",   "tidy",    "upbeat",  "valiant", "vivid",     "warm",    "wise",
        "witty",    "zealous",
};

/* People whose work computers and the sea stand on. */
static const char *const surnames[] = {
        "agnesi",    "allen",     "babbage",  "backus",     "bartik",   "beaufort",    "bell",
        "boole",     "booth",     "borg",     "brooks",     "carson",   "cerf",        "church",
        "clarke",    "cousteau",  "curie",    "dijkstra",   "earle",    "easley",      "einstein",
        "engelbart", "euclid",    "euler",    "faraday",    "fermat",   "feynman",     "floyd",
        "franklin",  "galileo",   "galois",   "gauss",      "germain",  "goldberg",    "goodall",
        "gosling",   "hamilton",  "hamming",  "heisenberg", "hellman",  "hilbert",     "hoare",
        "hodgkin",   "holberton", "hopper",   "huffman",    "hypatia",  "johnson",     "joliot",
        "kapitsa",   "keller",    "kepler",   "kilby",      "knuth",    "lamarr",      "lamport",
        "leavitt",   "liskov",    "lovelace", "maxwell",    "mccarthy", "meitner",     "mendel",
        "mercator",  "mitchell",  "nansen",   "napier",     "newton",   "nightingale", "noether",
        "pascal",    "perlman",   "piccard",  "planck",     "poincare", "raman",       "ritchie",
        "rosalind",  "sammet",    "shannon",  "sinoussi",   "swanson",  "tereshkova",  "tesla",
        "tharp",     "thompson",  "torvalds", "turing",     "volta",    "wescoff",     "wilkes",
        "wing",      "wozniak",   "wright",   "yalow",      "zuse",
};

bool container_name_is_valid(const char *name) {
        static const char letters[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        size_t length = strlen(name);

        if (length == 0 || length > CONTAINER_NAME_MAX || !strchr(letters, name[0]))
                return false;
        for (const char *p = name; *p; p++)
                if (!strchr(letters, *p) && !strchr("_.-", *p))
                        return false;
        return true;
}

char *container_name_generate(unsigned attempt) {
        const char *adjective = adjectives[random_below(ARRAY_SIZE(adjectives))];
        const char *surname = surnames[random_below(ARRAY_SIZE(surnames))];

        if (attempt < ATTEMPTS_WITHOUT_NUMBER)
                return xasprintf("%s_%s", adjective, surname);
        return xasprintf("%s_%s%u", adjective, surname, (unsigned)random_below(1000000));
}
