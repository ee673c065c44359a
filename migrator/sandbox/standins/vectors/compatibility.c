/* vectors.pgvector_compatibility: CREATE INDEX ... USING hnsw or ivfflat becomes USING vectors. */
#include "vectors.h"

#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "commands/defrem.h"
#include "lib/stringinfo.h"

static ProcessUtility_hook_type next_hook = NULL;

static bool
is_pgvector_index(const char *method)
{
	return method != NULL && (strcmp(method, "hnsw") == 0 || strcmp(method, "ivfflat") == 0);
}

/* pgvector's option list as pgvecto.rs's TOML. */
static List *
translated_options(const char *method, List *options)
{
	StringInfoData toml;
	ListCell   *cell;

	initStringInfo(&toml);
	appendStringInfo(&toml, "[indexing.%s]\n", strcmp(method, "hnsw") == 0 ? "hnsw" : "ivf");
	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);
		const char *name = strcmp(option->defname, "lists") == 0 ? "nlist" : option->defname;

		appendStringInfo(&toml, "%s = %s\n", name, defGetString(option));
	}
	return list_make1(makeDefElem("options", (Node *) makeString(toml.data), -1));
}

static const char *
translated_class(const char *name)
{
	if (strcmp(name, "vector_cosine_ops") == 0)
		return "vector_cos_ops";
	if (strcmp(name, "vector_ip_ops") == 0)
		return "vector_dot_ops";
	return name;
}

static void
translate(IndexStmt *statement)
{
	ListCell   *cell;

	statement->options = translated_options(statement->accessMethod, statement->options);
	statement->accessMethod = "vectors";
	foreach(cell, statement->indexParams)
	{
		IndexElem  *column = lfirst(cell);

		if (column->opclass != NIL)
		{
			Node	   *last = llast(column->opclass);

			strVal(last) = pstrdup(translated_class(strVal(last)));
		}
	}
}

static void
run_utility(PlannedStmt *planned, const char *query, bool read_only_tree, ProcessUtilityContext context,
			ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver,
			QueryCompletion *completion)
{
	if (vectors_pgvector_compatibility && IsA(planned->utilityStmt, IndexStmt)
		&& is_pgvector_index(((IndexStmt *) planned->utilityStmt)->accessMethod))
	{
		planned = copyObject(planned);
		translate((IndexStmt *) planned->utilityStmt);
	}
	(next_hook ? next_hook : standard_ProcessUtility) (planned, query, read_only_tree, context, parameters,
													   environment, receiver, completion);
}

void
vectors_install_compatibility(void)
{
	next_hook = ProcessUtility_hook;
	ProcessUtility_hook = run_utility;
}
