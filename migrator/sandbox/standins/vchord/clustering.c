/*
 * Stand-in for VectorChord: what the clustering tells the client. There is no clustering.
 */
#include "vchord.h"

#include <math.h>

#include "commands/progress.h"
#include "miscadmin.h"
#include "utils/backend_progress.h"

static char *
human_size(double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	int			unit = 0;

	while (bytes >= 1024 && unit < lengthof(units) - 1)
	{
		bytes /= 1024;
		unit++;
	}
	return psprintf("%.2f %s", bytes, units[unit]);
}

void
tell_memory(const BuildOptions *options, uint32 dimension)
{
	double		lists = options->levels == 0 ? 0 : options->lists[options->levels - 1];
	double		bytes = 4.0 * dimension * lists * (options->sampling_factor + options->build_threads + 1);

	if (SINCE(10000))
		ereport(INFO, (errmsg("clustering: estimated memory usage is %s", human_size(bytes))));
}

static void
iterate(int64 iterations)
{
	for (int64 i = 1; i <= iterations; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, PHASE_PERCENT + i * 100 / iterations);
		ereport(INFO, (errmsg("clustering: iteration " INT64_FORMAT, i)));
	}
	ereport(INFO, (errmsg("clustering: finished")));
}

/* From the leaves upwards: the centroids of a level are the points of the next. */
void
cluster(const BuildOptions *options, uint32 dimension, int64 points)
{
	if (SINCE(10000))
		ereport(INFO, (errmsg("clustering: using " INT64_FORMAT " threads", options->build_threads)));
	for (int level = options->levels - 1; level >= 0; level--)
	{
		int64		lists = options->lists[level];
		char	   *threads = SINCE(10000) ? "" : psprintf(" using " INT64_FORMAT " threads,", options->build_threads);

		/* One list needs no iteration, and neither do more lists than points. */
		if (lists > 1 && lists < points)
		{
			ereport(INFO,
					(errmsg("clustering: starting,%s clustering " INT64_FORMAT " vectors of %u dimension into "
							INT64_FORMAT " clusters, in " INT64_FORMAT " iterations",
							threads, points, dimension, lists, options->kmeans_iterations)));
			iterate(options->kmeans_iterations);
		}
		points = lists;
	}
}
