/*
 * The background worker, shown by ps as "postgres: vectors".
 *
 * It does no work; what matters is whether it lives.  It holds a lock on the folder pg_vectors/startup, which the
 * kernel gives back when the process ends, however it ended: so a backend knows the truth and no flag can lie.
 * It does not connect to a database, so pg_stat_activity does not show it, and it does not watch the postmaster,
 * so it outlives a killed one and keeps the shared memory attached, as the genuine one does.
 */
#include "vectors.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/timestamp.h"

#define LOCKED_FOLDER "pg_vectors/startup"

/* The genuine library waits 15 seconds (0.3.0: 10) before it gives up on a worker; this is for tests. */
#define WAIT_MICROSECONDS 200000
/* A worker that has not come up yet on a busy machine must not be taken for one that is gone. */
#define WAIT_FOR_FIRST_MICROSECONDS 15000000
#define STEP_MICROSECONDS 10000

PGDLLEXPORT void vectors_worker_main(Datum argument);

static volatile sig_atomic_t asked_to_stop = 0;

static void
ask_to_stop(SIGNAL_ARGS)
{
	asked_to_stop = 1;
}

static void
hold_lock(void)
{
	int			folder = open(LOCKED_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timespec now[2];

	if (folder < 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not open \"%s\": %m", LOCKED_FOLDER)));
	while (flock(folder, LOCK_EX) != 0)
		if (errno != EINTR)
			ereport(ERROR, (errcode_for_file_access(), errmsg("could not lock \"%s\": %m", LOCKED_FOLDER)));
	clock_gettime(CLOCK_REALTIME, &now[0]);
	now[1] = now[0];
	futimens(folder, now);		/* read by came_up() */
}

void
vectors_worker_main(Datum argument)
{
	sigset_t	stopping,
				others;

	pqsignal(SIGTERM, ask_to_stop);

	/*
	 * Up to 0.2.0 a reload ends the worker.  Exit status 0 tells the postmaster never to start it again, not even
	 * after a crash; only a full restart registers it anew.
	 */
	pqsignal(SIGHUP, BEFORE_0_3 ? ask_to_stop : SIG_IGN);
	BackgroundWorkerUnblockSignals();
	hold_lock();

	sigemptyset(&stopping);
	sigaddset(&stopping, SIGTERM);
	sigaddset(&stopping, SIGHUP);
	sigprocmask(SIG_BLOCK, &stopping, &others);
	while (!asked_to_stop)
		sigsuspend(&others);

	/* Without a postmaster nobody waits for an orderly end, and a lock in shared memory may be held for ever. */
	if (!PostmasterIsAlive())
		_exit(0);
	proc_exit(0);
}

/* Registers the worker with the postmaster; 0.3.0 does not start it over files of another version. */
void
vectors_register_worker(void)
{
	BackgroundWorker worker = {
		.bgw_name = "vectors",
		.bgw_type = "vectors",
		.bgw_flags = BGWORKER_SHMEM_ACCESS,
		.bgw_start_time = BgWorkerStart_PostmasterStart,
		.bgw_restart_time = 15,
		.bgw_library_name = "vectors",
		.bgw_function_name = "vectors_worker_main",
	};

	if (!BEFORE_0_3 && vectors_files_outdated())
		return;
	RegisterBackgroundWorker(&worker);
}

static bool
lock_is_held(void)
{
	int			folder = open(LOCKED_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool		held;

	if (folder < 0)
		return false;
	/* A shared lock: backends that ask at the same time do not take each other for the worker. */
	held = flock(folder, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(folder);
	return held;
}

/* Tells whether a worker has held the lock since the server was started. */
static bool
came_up(void)
{
	struct stat folder;

	if (stat(LOCKED_FOLDER, &folder) != 0)
		return true;
	return time_t_to_timestamptz(folder.st_mtim.tv_sec) + folder.st_mtim.tv_nsec / 1000 >= PgStartTime;
}

/* Tells whether the worker lives, after waiting a little for one that is just starting. */
bool
vectors_worker_is_alive(void)
{
	int			limit = came_up() ? WAIT_MICROSECONDS : WAIT_FOR_FIRST_MICROSECONDS;

	for (int waited = 0; waited < limit; waited += STEP_MICROSECONDS)
	{
		if (lock_is_held())
			return true;
		pg_usleep(STEP_MICROSECONDS);
	}
	return false;
}

void
vectors_require_worker(void)
{
	if (!vectors_worker_is_alive())
		PGVECTORS_ERROR(TEXT_WORKER_GONE);
}
