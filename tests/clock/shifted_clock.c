/*
 * Loaded into every program of a run (see another_place.py): the time of day is SHIFT seconds away from the machine's.
 *
 * What reads the time of day adds SHIFT, what waits until a time of day takes it off again. Monotonic clocks and
 * sleeps are the machine's. Times of files that are changed during the run (after SINCE) are shifted too, so that they
 * fit the time of day.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#if !defined(SHIFT) || !defined(SINCE)
#error "give -DSHIFT=seconds -DSINCE=seconds since 1970"
#endif

/* The function that this library stands before. */
#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* A monotonic clock does not come that far, so what lies beyond is a time of day. */
#define FIRST_TIME_OF_DAY 1000000000L

static int is_time_of_day(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

int clock_gettime(clockid_t clock, struct timespec *found)
{
    NEXT(clock_gettime);
    int failed = next(clock, found);
    if (!failed && is_time_of_day(clock)) found->tv_sec += SHIFT;
    return failed;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone)
{
    NEXT(gettimeofday);
    int failed = next(found, zone);
    if (!failed) found->tv_sec += SHIFT;
    return failed;
}

time_t time(time_t *found)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found) *found = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *found, int base)
{
    if (base != TIME_UTC || clock_gettime(CLOCK_REALTIME, found)) return 0;
    return base;
}

/* --- waiting until a time of day ---------------------------------------------------------------------------------- */

static const struct timespec *of_the_machine(const struct timespec *until, struct timespec *moved)
{
    if (!until || until->tv_sec < FIRST_TIME_OF_DAY) return until;
    *moved = *until;
    moved->tv_sec -= SHIFT;
    return moved;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    NEXT(clock_nanosleep);
    struct timespec moved;
    if ((flags & TIMER_ABSTIME) && is_time_of_day(clock)) until = of_the_machine(until, &moved);
    return next(clock, flags, until, left);
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    static __typeof__(&pthread_cond_timedwait) next;
    struct timespec moved;
    /* Without its version dlsym finds the oldest one, which knows conditions of another size. */
    if (!next) next = (__typeof__(next))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!next) next = (__typeof__(next))dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    return next(condition, mutex, of_the_machine(until, &moved));
}

int pthread_cond_clockwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, clockid_t clock,
                           const struct timespec *restrict until)
{
    NEXT(pthread_cond_clockwait);
    struct timespec moved;
    return next(condition, mutex, clock, of_the_machine(until, &moved));
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until)
{
    NEXT(pthread_mutex_timedlock);
    struct timespec moved;
    return next(mutex, of_the_machine(until, &moved));
}

int pthread_mutex_clocklock(pthread_mutex_t *restrict mutex, clockid_t clock, const struct timespec *restrict until)
{
    NEXT(pthread_mutex_clocklock);
    struct timespec moved;
    return next(mutex, clock, of_the_machine(until, &moved));
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    NEXT(sem_timedwait);
    struct timespec moved;
    return next(semaphore, of_the_machine(until, &moved));
}

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict until)
{
    NEXT(sem_clockwait);
    struct timespec moved;
    return next(semaphore, clock, of_the_machine(until, &moved));
}

int timerfd_settime(int timer, int flags, const struct itimerspec *until, struct itimerspec *before)
{
    NEXT(timerfd_settime);
    struct itimerspec moved;
    if ((flags & TFD_TIMER_ABSTIME) && until && until->it_value.tv_sec >= FIRST_TIME_OF_DAY) {
        moved = *until;
        moved.it_value.tv_sec -= SHIFT;
        until = &moved;
    }
    return next(timer, flags, until, before);
}

/* --- times of files ----------------------------------------------------------------------------------------------- */

static void shift_if_of_this_run(struct timespec *moment)
{
    if (moment->tv_sec > SINCE) moment->tv_sec += SHIFT;
}

static int shifted(int failed, struct stat *found)
{
    if (!failed) {
        shift_if_of_this_run(&found->st_atim);
        shift_if_of_this_run(&found->st_mtim);
        shift_if_of_this_run(&found->st_ctim);
    }
    return failed;
}

#define STAT(name, parameters, arguments) \
    int name parameters \
    { \
        NEXT(name); \
        return shifted(next arguments, (struct stat *)found); \
    }

STAT(stat, (const char *restrict path, struct stat *restrict found), (path, found))
STAT(lstat, (const char *restrict path, struct stat *restrict found), (path, found))
STAT(fstat, (int file, struct stat *found), (file, found))
STAT(fstatat, (int folder, const char *restrict path, struct stat *restrict found, int flags),
     (folder, path, found, flags))
/* Where files are as long as 64 bits count, both structures are the same. */
STAT(stat64, (const char *restrict path, struct stat64 *restrict found), (path, found))
STAT(lstat64, (const char *restrict path, struct stat64 *restrict found), (path, found))
STAT(fstat64, (int file, struct stat64 *found), (file, found))
STAT(fstatat64, (int folder, const char *restrict path, struct stat64 *restrict found, int flags),
     (folder, path, found, flags))

static const struct timespec *file_times_of_the_machine(const struct timespec given[2], struct timespec moved[2])
{
    if (!given) return given;
    for (int each = 0; each < 2; each++) {
        moved[each] = given[each];
        if (moved[each].tv_sec > SINCE + SHIFT) moved[each].tv_sec -= SHIFT;
    }
    return moved;
}

int utimensat(int folder, const char *path, const struct timespec given[2], int flags)
{
    NEXT(utimensat);
    struct timespec moved[2];
    return next(folder, path, file_times_of_the_machine(given, moved), flags);
}

int futimens(int file, const struct timespec given[2])
{
    NEXT(futimens);
    struct timespec moved[2];
    return next(file, file_times_of_the_machine(given, moved));
}
