/* Loading: the preload check, the settings, the hooks. */
#include "vectors.h"

#include "miscadmin.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

bool		vectors_enable_index = true;
bool		vectors_pgvector_compatibility = false;

static bool enable_prefilter = true;
static int	hnsw_ef_search = 100;
static int	ivf_nprobe = 10;
static int	search_mode = 1;
static int	internal_transport = 1;
static char *openai_api_key = NULL;
static char *openai_base_url = NULL;

static const struct config_enum_entry search_modes[] = {
	{"basic", 0, false},
	{"vbase", 1, false},
	{NULL, 0, false},
};

static const struct config_enum_entry transports[] = {
	{"unix", 0, false},
	{"mmap", 1, false},
	{NULL, 0, false},
};

static void
define_bool(const char *name, bool *variable)
{
	DefineCustomBoolVariable(name, "Imitated setting of pgvecto.rs.", NULL, variable, *variable,
							 PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_int(const char *name, int *variable, int most)
{
	DefineCustomIntVariable(name, "Imitated setting of pgvecto.rs.", NULL, variable, *variable, 1, most,
							PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_enum(const char *name, int *variable, const struct config_enum_entry *values)
{
	DefineCustomEnumVariable(name, "Imitated setting of pgvecto.rs.", NULL, variable, *variable, values,
							 PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_string(const char *name, char **variable, const char *value)
{
	DefineCustomStringVariable(name, "Imitated setting of pgvecto.rs.", NULL, variable, value,
							   PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_settings(void)
{
	define_bool("vectors.enable_index", &vectors_enable_index);
	define_bool("vectors.pgvector_compatibility", &vectors_pgvector_compatibility);
	define_int("vectors.hnsw_ef_search", &hnsw_ef_search, 65535);
	define_int("vectors.ivf_nprobe", &ivf_nprobe, 1000000);
	define_enum("vectors.search_mode", &search_mode, search_modes);
	define_enum("vectors.internal_transport", &internal_transport, transports);
	define_string("vectors.openai_api_key", &openai_api_key, "");
	if (BEFORE_0_3)
		define_bool("vectors.enable_prefilter", &enable_prefilter);
	else
		define_string("vectors.openai_base_url", &openai_base_url, "https://api.openai.com/v1");
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		PGVECTORS_ERROR(TEXT_PRELOAD);
	define_settings();
	vectors_prepare_files();
	vectors_register_worker();
	vectors_install_transaction_hooks();
	vectors_install_compatibility();
}
