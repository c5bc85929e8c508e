/* Stands between a process and its files below one directory: writes down what it does to them.
 *
 * DISK_DIRECTORY  the directory, absolute; everything else passes through
 * DISK_JOURNAL    a file to which every operation that succeeded is appended, in the order in which they were done; a sync that
 *                 failed as well, for what it was to write down is in doubt from then on
 * DISK_CONTROL    a file of 64 bytes, shared with who runs the process, that says which call is to fail next (struct control)
 *
 * One lock orders everything: this is a test, and the order is what it is about.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum operation { OP_OPEN = 1, OP_WRITE, OP_SYNC, OP_RENAME, OP_TRUNCATE, OP_UNLINK, OP_SYNC_FAILED };

#define DESCRIPTORS 4096
static char *paths[DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *directory;
static size_t directory_length;
static int journal = -1;

/* What is to fail, in words of eight bytes. Who runs the process writes `error` last when it arms, and first when it clears. */
struct control {
    int64_t error;    /* errno of the failure; SHORT_WRITE; 0: nothing is to fail */
    int64_t kinds;    /* the operations that are meant, one bit each; OP_OPEN is an open for writing */
    int64_t number;   /* the first call of these kinds that fails, from 1 */
    int64_t goes_on;  /* whether all such calls after it fail too */
    int64_t database; /* whether only the database file itself is meant, which only checkpoints write */
    int64_t calls;    /* written here: such calls since it was armed */
    int64_t failed;   /* written here: how many of them failed */
    int64_t unused;
};
enum { SHORT_WRITE = -1 };
static struct control *control;

/* Before main, and so before there is a second thread. */
__attribute__((constructor)) static void prepare(void) {
    directory = getenv("DISK_DIRECTORY");
    if (!directory) return;
    directory_length = strlen(directory);
    const char *name = getenv("DISK_JOURNAL");
    if (name) journal = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *shared = getenv("DISK_CONTROL");
    if (!shared) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC, 0);
    void *at = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    /* Faults that nobody can order prove nothing. */
    if (at == MAP_FAILED) abort();
    syscall(SYS_close, fd);
    control = at;
}

static int is_ours(const char *path) {
    if (!directory || !path || strncmp(path, directory, directory_length) != 0) return 0;
    return path[directory_length] == '/' || path[directory_length] == 0;
}

/* A descriptor is closed by who uses it: its path stays while a call on it runs. */
static const char *path_of(int fd) {
    return fd >= 0 && fd < DESCRIPTORS ? __atomic_load_n(&paths[fd], __ATOMIC_ACQUIRE) : 0;
}

/* One record: operation, offset, length of the path, length of the data, path, data. */
static void note(enum operation operation, const char *path, int64_t offset, const void *data, size_t length) {
    if (journal < 0) return;
    int64_t head[4] = {operation, offset, (int64_t)strlen(path), (int64_t)length};
    struct iovec parts[3] = {
        {head, sizeof head}, {(void *)path, strlen(path)}, {(void *)data, length}};
    ssize_t whole = (ssize_t)(sizeof head + strlen(path) + length);
    /* A journal that is not whole proves nothing. */
    if (syscall(SYS_writev, journal, parts, 3) != whole) abort();
}

/* Whether this call is to fail, and how; the lock is held. Its errno is set. */
static int64_t fault(enum operation kind, const char *path) {
    int64_t error = control ? __atomic_load_n(&control->error, __ATOMIC_ACQUIRE) : 0;
    if (!error || !(control->kinds >> kind & 1)) return 0;
    size_t length = strlen(path);
    if (control->database && (length < 10 || strcmp(path + length - 10, "/lydian.db") != 0)) return 0;
    control->calls++;
    if (control->goes_on ? control->calls < control->number : control->calls != control->number) return 0;
    control->failed++;
    errno = error > 0 ? (int)error : 0;
    return error;
}

static int opened(int fd, const char *path, int flags) {
    if (fd >= 0 && fd < DESCRIPTORS) {
        free(paths[fd]);
        paths[fd] = strdup(path);
        note(OP_OPEN, path, (flags & O_CREAT ? 1 : 0) | (flags & O_TRUNC ? 2 : 0), "", 0);
    }
    return fd;
}

static int open_it(int at, const char *path, int flags, mode_t mode) {
    if (!is_ours(path)) return (int)syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&lock);
    int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
    int fd = writes && fault(OP_OPEN, path) ? -1 : opened((int)syscall(SYS_openat, at, path, flags, mode), path, flags);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

#define MODE(flags) mode_t mode = 0; if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }
int open(const char *path, int flags, ...) { MODE(flags) return open_it(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_it(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return open_it(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return open_it(at, path, flags | O_LARGEFILE, mode); }

int close(int fd) {
    if (path_of(fd)) {
        pthread_mutex_lock(&lock);
        free(paths[fd]);
        paths[fd] = 0;
        pthread_mutex_unlock(&lock);
    }
    return (int)syscall(SYS_close, fd);
}

static ssize_t write_at(int fd, const void *data, size_t length, off64_t offset, int moves) {
    const char *path = path_of(fd);
    if (!path) return moves ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
    pthread_mutex_lock(&lock);
    ssize_t written = -1;
    off64_t at = moves ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : offset;
    if (moves && (syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND)) {
        struct stat status;
        at = fstat(fd, &status) == 0 ? status.st_size : at;
    }
    int64_t error = fault(OP_WRITE, path);
    if (error == SHORT_WRITE) length = (length + 1) / 2;
    if (error <= 0) written = moves ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
    /* Killed in between, it is a write that never reached the disk. */
    if (written > 0) note(OP_WRITE, path, at, data, (size_t)written);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return written;
}

ssize_t write(int fd, const void *data, size_t length) { return write_at(fd, data, length, 0, 1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset, 0); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return write_at(fd, data, length, offset, 0); }

static int sync_it(int fd, long call) {
    const char *path = path_of(fd);
    if (!path) return (int)syscall(call, fd);
    pthread_mutex_lock(&lock);
    /* What it promises is simulated: nothing waits for a real disk. */
    int result = fault(OP_SYNC, path) ? -1 : 0;
    int error = errno;
    note(result == 0 ? OP_SYNC : OP_SYNC_FAILED, path, 0, "", 0);
    errno = error;
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int fsync(int fd) { return sync_it(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_it(fd, SYS_fdatasync); }

static int truncate_it(int fd, off64_t length) {
    const char *path = path_of(fd);
    if (!path) return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    int result = -1;
    if (!fault(OP_TRUNCATE, path)) result = (int)syscall(SYS_ftruncate, fd, length);
    if (result == 0) note(OP_TRUNCATE, path, length, "", 0);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int ftruncate(int fd, off_t length) { return truncate_it(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_it(fd, length); }

int rename(const char *from, const char *to) {
    if (!is_ours(from) && !is_ours(to)) return (int)syscall(SYS_rename, from, to);
    pthread_mutex_lock(&lock);
    int result = -1;
    if (!fault(OP_RENAME, from)) result = (int)syscall(SYS_rename, from, to);
    if (result == 0) note(OP_RENAME, from, 0, to, strlen(to));
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int unlink(const char *path) {
    if (!is_ours(path)) return (int)syscall(SYS_unlink, path);
    pthread_mutex_lock(&lock);
    int result = -1;
    if (!fault(OP_UNLINK, path)) result = (int)syscall(SYS_unlink, path);
    if (result == 0) note(OP_UNLINK, path, 0, "", 0);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}
