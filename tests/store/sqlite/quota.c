/* A quota, as a file system enforces it: while the file $QUOTA_ON exists, nothing below $QUOTA_OF can be written, unless
 * the ballast was given up. Loaded by LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refused(int fd) {
    char link[64], path[4096], ballast[4096];
    const char *of = getenv("QUOTA_OF"), *on = getenv("QUOTA_ON");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0 || of == NULL || on == NULL) return 0;
    path[size] = 0;
    snprintf(ballast, sizeof ballast, "%s/submarine.db.ballast", of);
    if (strncmp(path, of, strlen(of)) != 0 || access(on, F_OK) != 0) return 0;
    return strcmp(path, ballast) == 0 || access(ballast, F_OK) == 0;
}

#define GUARDED(name, parameters, arguments)                          \
    ssize_t name parameters {                                         \
        static ssize_t(*real) parameters;                             \
        if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, #name);  \
        if (!refused(fd)) return real arguments;                      \
        errno = EDQUOT;                                               \
        return -1;                                                    \
    }

GUARDED(write, (int fd, const void *data, size_t size), (fd, data, size))
GUARDED(pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
GUARDED(pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
