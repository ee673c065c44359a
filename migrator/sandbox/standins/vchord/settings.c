/*
 * Stand-in for VectorChord: the settings. Names, types, ranges and defaults are those that the
 * genuine libraries register; only "probes" and "enable_scan" have an effect here. One setting is ours
 * and has another prefix: standin_vchord.build_rows_per_second.
 */
#include "vchord.h"

#include <limits.h>

#include "utils/guc.h"

char	   *vchordrq_probes;
bool		vchordrq_enable_scan = true;
bool		vchordg_enable_scan = true;
int			build_rows_per_second;

static const struct config_enum_entry io_methods[] = {
	{"read_buffer", 0, false},
	{"prefetch_buffer", 1, false},
	{NULL, 0, false}
};

static void
define_bool(const char *name, bool *variable, bool initial, GucContext context)
{
	DefineCustomBoolVariable(name, "As in VectorChord.", NULL, variable, initial, context, 0,
							 NULL, NULL, NULL);
}

static void
define_int(const char *name, int *variable, int initial, int min, int max, GucContext context)
{
	DefineCustomIntVariable(name, "As in VectorChord.", NULL, variable, initial, min, max, context, 0,
							NULL, NULL, NULL);
}

static void
define_real(const char *name, double *variable, double initial, double max, GucContext context)
{
	DefineCustomRealVariable(name, "As in VectorChord.", NULL, variable, initial, 0, max, context, 0,
							 NULL, NULL, NULL);
}

static void
define_string(const char *name, char **variable, const char *initial)
{
	DefineCustomStringVariable(name, "As in VectorChord.", NULL, variable, initial, PGC_USERSET, 0,
							   NULL, NULL, NULL);
}

static void
define_io(const char *name, int *variable)
{
	DefineCustomEnumVariable(name, "As in VectorChord.", NULL, variable, 1, io_methods, PGC_USERSET, 0,
							 NULL, NULL, NULL);
}

static void
define_vchordrq(void)
{
	static double epsilon;
	static int	max_scan_tuples;
	static int	maxsim_refine;
	static int	maxsim_threshold;
	static bool prefilter;

	define_string("vchordrq.probes", &vchordrq_probes, "");
	define_real("vchordrq.epsilon", &epsilon, 1.9, 4, PGC_USERSET);
	define_int("vchordrq.max_scan_tuples", &max_scan_tuples, -1, -1, INT_MAX, PGC_USERSET);
	define_int("vchordrq.maxsim_refine", &maxsim_refine, 0, 0, INT_MAX, PGC_USERSET);
	define_int("vchordrq.maxsim_threshold", &maxsim_threshold, 0, 0, INT_MAX, PGC_USERSET);
	define_bool(SINCE(400) ? "vchordrq.prefilter" : "vchordrq.prererank_filtering", &prefilter, false,
				PGC_USERSET);
	if (SINCE(400))
	{
		static int	io_search;
		static int	io_rerank;

		define_io("vchordrq.io_search", &io_search);
		define_io("vchordrq.io_rerank", &io_rerank);
	}
	else
	{
		static char *prewarm_dim;

		define_string("vchordrq.prewarm_dim", &prewarm_dim, "64,128,256,384,512,768,1024,1536");
	}
}

/* What 0.5.0 (sampling: 0.5.2) and later have on top. */
static void
define_later(void)
{
	static bool sampling_enable;
	static int	sampling_max_records;
	static double sampling_rate;
	static int	beam_search;
	static int	ef_search;
	static int	max_scan_tuples;
	static int	io_search;
	static int	io_rerank;

	define_bool("vchordrq.enable_scan", &vchordrq_enable_scan, true, PGC_USERSET);
	define_bool("vchordrq.query_sampling_enable", &sampling_enable, false, PGC_SUSET);
	define_int("vchordrq.query_sampling_max_records", &sampling_max_records, 0, 0, 10000, PGC_SUSET);
	define_real("vchordrq.query_sampling_rate", &sampling_rate, 0, 1, PGC_SUSET);
	define_bool("vchordg.enable_scan", &vchordg_enable_scan, true, PGC_USERSET);
	define_int("vchordg.beam_search", &beam_search, 1, 1, 65535, PGC_USERSET);
	define_int("vchordg.ef_search", &ef_search, 64, 1, 65535, PGC_USERSET);
	define_int("vchordg.max_scan_tuples", &max_scan_tuples, -1, -1, INT_MAX, PGC_USERSET);
	define_io("vchordg.io_search", &io_search);
	define_io("vchordg.io_rerank", &io_rerank);
}

void
define_settings(void)
{
	define_vchordrq();
	if (SINCE(500))
	{
		define_later();
		MarkGUCPrefixReserved("vchordg");
	}
	define_int("standin_vchord.build_rows_per_second", &build_rows_per_second, 0, 0, INT_MAX, PGC_USERSET);
	MarkGUCPrefixReserved("vchord");
	MarkGUCPrefixReserved("vchordrq");
}

static int
count_numbers(const char *text)
{
	int			numbers = text[0] == '\0' ? 0 : 1;

	for (; *text != '\0'; text++)
		if (*text == ',')
			numbers++;
	return numbers;
}

/* The shape of the setting must be the shape of the index: one number per level of lists. */
void
check_probes(Relation index, const Meta *meta)
{
	const char *probes = vchordrq_probes;
	IndexOptions *options = (IndexOptions *) index->rd_options;
	uint32		provided;

	if (is_vchordg(index))
		return;
	if (SINCE(10100) && probes[0] == '\0' && options != NULL && options->probes != 0)
		probes = (const char *) options + options->probes;
	provided = count_numbers(probes);
	if (provided != meta->levels)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("%sneed %u probes, but %u probes provided", SINCE(400) ? "" : "usage: ",
						meta->levels, provided)));
}
