/*
 * Stand-in for VectorChord: WITH (options = '<TOML>').
 */
#include "vchord.h"

#include "access/reloptions.h"
#include "toml.h"

static relopt_kind kind;

/* What the genuine libraries know. A range is checked where "min" < "max". */
typedef struct Known
{
	const char *path;
	TomlKind	type;
	int64		min;
	int64		max;
	int			since;			/* 0 = in every version */
} Known;

static const Known known_options[] = {
	{"residual_quantization", TOML_BOOLEAN},
	{"rerank_in_table", TOML_BOOLEAN},
	{"degree_of_parallelism", TOML_INTEGER, 1, 256, 10000},
	{"build", TOML_TABLE},
	{"build.pin", TOML_BOOLEAN},
	{"build.default", TOML_TABLE, 0, 0, 503},
	{"build.internal", TOML_TABLE},
	{"build.internal.lists", TOML_ARRAY},
	{"build.internal.spherical_centroids", TOML_BOOLEAN},
	{"build.internal.sampling_factor", TOML_INTEGER, 1, 1024},
	{"build.internal.kmeans_iterations", TOML_INTEGER, 0, 1024},
	{"build.internal.build_threads", TOML_INTEGER, 1, 255},
	{"build.internal.kmeans_algorithm", TOML_TABLE, 0, 0, 10000},
	{"build.internal.kmeans_algorithm.lloyd", TOML_TABLE, 0, 0, 10000},
	{"build.internal.kmeans_algorithm.hierarchical", TOML_TABLE, 0, 0, 10000},
	{"build.internal.kmeans_dimension", TOML_INTEGER, 0, 0, 10000},
	{"build.external", TOML_TABLE},
	{"build.external.table", TOML_STRING},
};

void
define_index_options(void)
{
	kind = add_reloption_kind();
	add_string_reloption(kind, "options", "As in VectorChord.", "", NULL, AccessExclusiveLock);
	if (SINCE(10100))
	{
		add_string_reloption(kind, "probes", "As in VectorChord.", "", NULL, AccessExclusiveLock);
		add_real_reloption(kind, "epsilon", "As in VectorChord.", 1.9, 0, 4, AccessExclusiveLock);
	}
}

bytea *
read_index_options(Datum reloptions, bool validate)
{
	static const relopt_parse_elt fields[] = {
		{"options", RELOPT_TYPE_STRING, offsetof(IndexOptions, options)},
		{"probes", RELOPT_TYPE_STRING, offsetof(IndexOptions, probes)},
		{"epsilon", RELOPT_TYPE_REAL, offsetof(IndexOptions, epsilon)},
	};

	return build_reloptions(reloptions, validate, kind, sizeof(IndexOptions), fields,
							SINCE(10100) ? lengthof(fields) : 1);
}

static const char *
options_text(Relation index)
{
	IndexOptions *options = (IndexOptions *) index->rd_options;

	return options == NULL || options->options == 0 ? "" : (const char *) options + options->options;
}

static const Known *
find_known(const char *path)
{
	for (int i = 0; i < lengthof(known_options); i++)
		if (SINCE(known_options[i].since) && strcmp(known_options[i].path, path) == 0)
			return &known_options[i];
	return NULL;
}

static bool
begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* build.internal.lists is called build.source.lists in complaints; only the last name matters. */
static void
fail_range(const Known *known, int64 value)
{
	const char *name = strrchr(known->path, '.');
	const char *where = name == NULL ? known->path : psprintf("build.source%s", name);
	const char *form = SINCE(10000)
		? "error while validating options: %s: Validation error: range [{\"max\": Number(%d), \"min\": Number(%d), \"value\": Number(%d)}]"
		: "error while validating options: %s: Validation error: range [{\"value\": Number(%d), \"max\": Number(%d), \"min\": Number(%d)}]";
	int			max = (int) known->max;
	int			min = (int) known->min;

	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 SINCE(10000) ? errmsg_internal(form, where, max, min, (int) value)
			 : errmsg_internal(form, where, (int) value, max, min)));
}

static void
check_item(const char *text, const TomlItem *item)
{
	const Known *known = find_known(item->path);
	const char *name = strrchr(item->path, '.');
	bool		fits;

	if (known == NULL)
		toml_fail(text, item->offset, 1, psprintf("unknown field `%s`", name == NULL ? item->path : name + 1));
	/* build.pin became a number in 1.0.0, and stayed a boolean. */
	fits = item->kind == known->type
		|| (SINCE(10000) && strcmp(item->path, "build.pin") == 0 && item->kind == TOML_INTEGER);
	if (!fits)
		toml_fail(text, item->offset, 1, psprintf("invalid type for `%s`", item->path));
	if (SINCE(500) && known->min < known->max && (item->integer < known->min || item->integer > known->max))
		fail_range(known, item->integer);
}

static void
take_lists(const TomlItem *item, BuildOptions *options)
{
	StringInfoData shown;
	bool		fits = item->count <= MAX_LEVELS;

	initStringInfo(&shown);
	for (int i = 0; i < item->count; i++)
	{
		int64		value = item->elements[i];

		appendStringInfo(&shown, "%sNumber(" INT64_FORMAT ")", i == 0 ? "" : ", ", value);
		if (value < 1 || (SINCE(500) && (value > (1 << 24) || (i > 0 && value <= item->elements[i - 1]))))
			fits = false;
		if (i < MAX_LEVELS)
			options->lists[i] = value;
	}
	options->levels = Min(item->count, MAX_LEVELS);
	if (fits)
		return;
	/* Before 0.5.0 nobody looked, and the clustering stumbled over a zero. */
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 SINCE(500)
			 ? errmsg("error while validating options: build.source.lists: Validation error: "
					  "list is too long or too short [{\"value\": Array [%s]}]", shown.data)
			 : errmsg("cannot sample empty range")));
}

static void
take_item(const TomlItem *item, BuildOptions *options)
{
	const char *path = item->path;

	if (begins_with(path, "build.internal"))
		options->source = BUILD_INTERNAL;
	else if (begins_with(path, "build.external"))
		options->source = BUILD_EXTERNAL;
	if (strcmp(path, "residual_quantization") == 0)
		options->residual_quantization = item->integer != 0;
	else if (strcmp(path, "build.internal.lists") == 0)
		take_lists(item, options);
	else if (strcmp(path, "build.internal.sampling_factor") == 0)
		options->sampling_factor = item->integer;
	else if (strcmp(path, "build.internal.kmeans_iterations") == 0)
		options->kmeans_iterations = item->integer;
	else if (strcmp(path, "build.internal.build_threads") == 0)
		options->build_threads = item->integer;
}

static bool
has_build(List *items)
{
	ListCell   *cell;

	foreach(cell, items)
		if (begins_with(((TomlItem *) lfirst(cell))->path, "build"))
			return true;
	return false;
}

BuildOptions
parse_vchordrq_options(Relation index)
{
	const char *text = options_text(index);
	BuildOptions options = {
		.source = BUILD_DEFAULT, .sampling_factor = 256, .kmeans_iterations = 10, .build_threads = 1
	};
	List	   *items = toml_parse(text);
	ListCell   *cell;

	if (!SINCE(10000) && text[0] != '\0' && !has_build(items))
		toml_fail(text, 0, SINCE(500) ? 1 : (int) strlen(text), "missing field `build`");
	foreach(cell, items)
	{
		check_item(text, lfirst(cell));
		take_item(lfirst(cell), &options);
	}
	if (options.source == BUILD_EXTERNAL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the stand-in for VectorChord does not read external centroids")));
	if (!SINCE(400) && options.residual_quantization && !is_l2(index))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("residual_quantization can be enabled only if distance type is L2")));
	return options;
}

/* Its keys are not known here; that it is TOML is checked. */
void
parse_vchordg_options(Relation index)
{
	(void) toml_parse(options_text(index));
}
