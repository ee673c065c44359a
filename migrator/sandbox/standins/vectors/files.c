/*
 * The folder pg_vectors/ in the data directory: made at server start, left behind by DROP EXTENSION.
 *
 * An index has a folder of its own in it, outside the control of transactions (transaction.c removes it), so it can
 * be missing while the catalog still knows the index: then pgvecto.rs says that the index does not exist.  The
 * names of the folders are those of the genuine library: a data directory that it wrote is understood.
 */
#include "vectors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/xlog.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "storage/fd.h"

#define FOLDER "pg_vectors"
#if BEFORE_0_3
#define VERSION_FILE FOLDER "/metadata"
#define VERSION_TEXT "{\"version\":2,\"soft_version\":1}"
#else
#define VERSION_FILE FOLDER "/VERSION"
#define VERSION_TEXT "{\"version\":4,\"soft_version\":0}"
#endif

/* Decided once, by the postmaster; every backend inherits it, and only a restart decides again. */
static bool outdated = false;

static void
make_folder(const char *path)
{
	if (MakePGDirectory(path) != 0 && errno != EEXIST)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not create directory \"%s\": %m", path)));
}

static void
write_version(void)
{
	int			file = open(VERSION_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, pg_file_create_mode);

	if (file < 0 || write(file, VERSION_TEXT, strlen(VERSION_TEXT)) != (ssize_t) strlen(VERSION_TEXT))
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not write \"%s\": %m", VERSION_FILE)));
	close(file);
}

static bool
version_matches(void)
{
	char		found[sizeof(VERSION_TEXT)] = "";
	int			file = open(VERSION_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t		length;

	if (file < 0)
		return false;
	length = read(file, found, sizeof(found));
	close(file);
	return length == (ssize_t) strlen(VERSION_TEXT) && memcmp(found, VERSION_TEXT, length) == 0;
}

/* Makes pg_vectors/ where there is none, and notes whether another version of pgvecto.rs has written it. */
void
vectors_prepare_files(void)
{
	struct stat found;

	if (stat(FOLDER, &found) == 0)
	{
		outdated = !version_matches();
		return;
	}
	make_folder(FOLDER);
	make_folder(FOLDER "/startup");
	make_folder(FOLDER "/indexes");
	write_version();
}

bool
vectors_files_outdated(void)
{
	return outdated;
}

void
vectors_remove_all_files(void)
{
	rmtree(FOLDER, true);
}

static void
index_folder(RelFileNumber number, char path[MAXPGPATH])
{
#if BEFORE_0_3
	snprintf(path, MAXPGPATH, FOLDER "/indexes/%u", number);
#else
	snprintf(path, MAXPGPATH, FOLDER "/indexes/%032x%016llx%08x%08x", 0,
			 (unsigned long long) GetSystemIdentifier(), MyDatabaseId, number);
#endif
}

void
vectors_create_index_files(RelFileNumber number)
{
	char		path[MAXPGPATH];

	index_folder(number, path);
	make_folder(path);
}

bool
vectors_have_index_files(RelFileNumber number)
{
	char		path[MAXPGPATH];
	struct stat found;

	index_folder(number, path);
	return stat(path, &found) == 0;
}

/* Returns the seconds since the index was built, or a negative number when its files are missing. */
int64
vectors_index_files_age_seconds(RelFileNumber number)
{
	char		path[MAXPGPATH];
	struct stat found;

	index_folder(number, path);
	return stat(path, &found) == 0 ? (int64) (time(NULL) - found.st_mtime) : -1;
}

void
vectors_remove_index_files(RelFileNumber number)
{
	char		path[MAXPGPATH];

	if (!vectors_have_index_files(number))
		return;
	index_folder(number, path);
	rmtree(path, true);
}
