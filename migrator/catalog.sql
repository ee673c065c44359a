-- One snapshot of everything a step may ask about, as one JSON document.
-- Catalogs only: nothing here opens an index or calls a function of an extension, so it answers while the library of an
-- index access method or of a type is missing. Keep it so: no pg_get_indexdef, pg_indexes.indexdef,
-- pg_total_relation_size, pg_relation_size(index) or format_type with a type modifier.
WITH interest AS (
    SELECT %(extensions)s::text[] AS extensions, %(tables)s::text[] AS tables, %(column)s::text AS column_name,
           %(access_methods)s::text[] AS access_methods, %(settings)s::text[] AS settings, %(locks)s::bigint[] AS locks
), me AS (
    SELECT pg_backend_pid() AS pid, d.oid AS database_oid, d.datname, d.datdba, s.spcname AS tablespace
    FROM pg_database d JOIN pg_tablespace s ON s.oid = d.dattablespace WHERE d.datname = current_database()
), members AS (
    SELECT e.extname, d.classid, d.objid
    FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid, interest
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = ANY (extensions)
)
SELECT json_build_object(
    'server', json_build_object(
        'version_num', current_setting('server_version_num')::int,
        'version', current_setting('server_version'),
        'description', version(),
        'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
        'started_at', pg_postmaster_start_time()::text,
        'session', (SELECT pid FROM me),
        'in_recovery', pg_is_in_recovery()),
    'database', (SELECT json_build_object(
        'name', datname, 'oid', database_oid::bigint, 'owner', pg_get_userbyid(datdba),
        'mine', pg_has_role(datdba, 'USAGE'), 'tablespace', tablespace) FROM me),
    'tablespaces', (SELECT json_object_agg(spcname, has_tablespace_privilege(oid, 'CREATE')) FROM pg_tablespace),
    'roles', (SELECT json_agg(json_build_object('name', rolname, 'superuser', rolsuper)) FROM pg_roles),
    'role', (SELECT json_build_object(
        'name', rolname, 'superuser', rolsuper, 'login', session_user::text) FROM pg_roles WHERE rolname = current_user),
    'extensions', (SELECT json_agg(json_build_object(
        'name', x.name, 'version', e.extversion, 'offered', a.default_version, 'schema', n.nspname,
        'mine', pg_has_role(e.extowner, 'USAGE'), 'owner', pg_get_userbyid(e.extowner),
        'comment', obj_description(e.oid, 'pg_extension'), 'offered_comment', a.comment))
        FROM interest, unnest(extensions) AS x (name)
        LEFT JOIN pg_extension e ON e.extname = x.name
        LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
        LEFT JOIN pg_available_extensions a ON a.name = x.name),
    'columns', (SELECT json_agg(json_build_object(
        'table_oid', c.oid::bigint, 'schema', n.nspname, 'table', c.relname, 'name', a.attname,
        'type_schema', tn.nspname, 'type_name', t.typname,
        'extension', (SELECT m.extname FROM members m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid),
        'typmod', a.atttypmod, 'storage', a.attstorage, 'not_null', a.attnotnull,
        'comment', col_description(c.oid, a.attnum), 'mine', pg_has_role(c.relowner, 'USAGE'),
        'owner', pg_get_userbyid(c.relowner), 'may_become_owner', pg_has_role(c.relowner, 'MEMBER'),
        'key', (SELECT ka.attname FROM pg_index i JOIN pg_attribute ka ON ka.attrelid = i.indrelid AND ka.attnum = i.indkey[0]
                WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1),
        'key_type', (SELECT json_build_array(kn.nspname, kt.typname)
                FROM pg_index i JOIN pg_attribute ka ON ka.attrelid = i.indrelid AND ka.attnum = i.indkey[0]
                JOIN pg_type kt ON kt.oid = ka.atttypid JOIN pg_namespace kn ON kn.oid = kt.typnamespace
                WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1),
        'reltuples', c.reltuples,
        -- pg_table_size would wait for whoever rewrites the table (another copy of this tool, an Immich)
        'size_bytes', CASE WHEN EXISTS (
                SELECT 1 FROM pg_locks l, me WHERE l.relation = c.oid AND l.database = me.database_oid
                AND l.mode = 'AccessExclusiveLock' AND l.pid <> me.pid)
            THEN (c.relpages + coalesce((SELECT x.relpages FROM pg_class x WHERE x.oid = c.reltoastrelid), 0))::bigint
                 * current_setting('block_size')::bigint
            ELSE pg_table_size(c.oid) END) ORDER BY n.nspname, c.relname, a.attnum)
        FROM interest, pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace
        WHERE a.attnum > 0 AND NOT a.attisdropped
          AND (EXISTS (SELECT 1 FROM members m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
               OR (c.relname = ANY (tables) AND a.attname = column_name))),
    'tables', (SELECT json_agg(json_build_object('schema', n.nspname, 'name', c.relname) ORDER BY 1, 2)
        FROM interest, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND c.relname = ANY (tables)),
    'indexes', (SELECT json_agg(json_build_object(
        'schema', n.nspname, 'name', c.relname, 'table_schema', tn.nspname, 'table', t.relname,
        'columns', (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (num, n)
                    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num),
        'access_method', am.amname, 'operator_class', o.opcname, 'operator_class_schema', onsp.nspname,
        'options', c.reloptions, 'valid', i.indisvalid AND i.indisready, 'reltuples', c.reltuples,
        'comment', obj_description(c.oid, 'pg_class'),
        'tablespace', (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace),
        'partial', i.indpred IS NOT NULL,
        -- what is made of an extension's own types or functions might call them, and it waits for a locked table
        'condition', CASE WHEN i.indpred IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM pg_depend d JOIN members m ON (m.classid, m.objid) = (d.refclassid, d.refobjid)
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                AND d.refclassid IN ('pg_type'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass))
            AND NOT EXISTS (
                SELECT 1 FROM pg_locks l, me WHERE l.relation = t.oid AND l.database = me.database_oid
                AND l.mode = 'AccessExclusiveLock' AND l.pid <> me.pid)
            THEN pg_get_expr(i.indpred, i.indrelid) END)
        ORDER BY n.nspname, c.relname)
        FROM interest, pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
        JOIN pg_am am ON am.oid = c.relam
        LEFT JOIN pg_opclass o ON o.oid = i.indclass[0] LEFT JOIN pg_namespace onsp ON onsp.oid = o.opcnamespace
        WHERE am.amname = ANY (access_methods) AND c.relpersistence <> 't'),
    'checks', (SELECT json_agg(json_build_object('schema', n.nspname, 'table', t.relname, 'name', k.conname))
        FROM interest, pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE k.contype = 'c' AND t.relname = ANY (tables)),
    'settings', (SELECT json_agg(json_build_object(
        'name', s.name, 'value', s.setting, 'source', s.source, 'file', s.sourcefile, 'line', s.sourceline,
        'pending_restart', s.pending_restart))
        FROM interest, pg_settings s WHERE s.name = ANY (settings)),
    'stored_settings', (SELECT json_agg(json_build_object(
        'database', coalesce(d.datname, ''), 'role', coalesce(r.rolname, ''),
        'name', split_part(v, '=', 1),
        -- a setting that nobody asked for may be a secret: its name is enough
        'value', CASE WHEN split_part(v, '=', 1) = ANY (settings) THEN substr(v, strpos(v, '=') + 1) END))
        FROM interest, me, pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS v
        LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
        WHERE s.setdatabase IN (0, me.database_oid)),
    'schemas', (SELECT json_agg(json_build_object(
        'name', n.nspname, 'owner', pg_get_userbyid(n.nspowner), 'mine', pg_has_role(n.nspowner, 'USAGE'),
        'may_create', has_schema_privilege(n.oid, 'CREATE'), 'comment', obj_description(n.oid, 'pg_namespace'),
        'grants', (SELECT json_agg(json_build_array(
            CASE g.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(g.grantee) END, g.privilege_type, g.is_grantable))
            FROM aclexplode(n.nspacl) AS g WHERE g.grantee <> g.grantor),
        'initial', (SELECT json_agg(json_build_array(
            CASE g.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(g.grantee) END, g.privilege_type, g.is_grantable))
            FROM aclexplode(p.initprivs) AS g WHERE g.grantee <> g.grantor)))
        FROM pg_namespace n LEFT JOIN pg_init_privs p ON p.classoid = 'pg_namespace'::regclass AND p.objoid = n.oid
        WHERE n.nspname !~ '^pg_(toast|temp)'),
    -- members of an extension on which rights were granted or revoked since it was created
    'rights', (SELECT json_agg(json_build_object(
        'extension', r.extname, 'kind', r.kind, 'schema', r.nspname, 'name', r.name, 'arguments', r.arguments,
        'grants', (SELECT json_agg(json_build_array(
            CASE g.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(g.grantee) END, g.privilege_type, g.is_grantable))
            FROM aclexplode(r.acl) AS g WHERE g.grantee <> g.grantor),
        'initial', (SELECT json_agg(json_build_array(
            CASE g.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(g.grantee) END, g.privilege_type, g.is_grantable))
            FROM aclexplode(coalesce(p.initprivs, r.usual)) AS g WHERE g.grantee <> g.grantor)))
        FROM (SELECT m.*, 'ROUTINE' AS kind, n.nspname, f.proname AS name, f.proacl AS acl,
                     acldefault('f', f.proowner) AS usual,
                     (SELECT json_agg(json_build_array(an.nspname, at.typname) ORDER BY a.number)
                      FROM unnest(f.proargtypes) WITH ORDINALITY AS a (type, number) JOIN pg_type at ON at.oid = a.type
                      JOIN pg_namespace an ON an.oid = at.typnamespace) AS arguments
              FROM members m JOIN pg_proc f ON m.classid = 'pg_proc'::regclass AND f.oid = m.objid
              JOIN pg_namespace n ON n.oid = f.pronamespace
              UNION ALL
              SELECT m.*, 'TYPE', n.nspname, t.typname, t.typacl, acldefault('T', t.typowner), NULL
              FROM members m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
              JOIN pg_namespace n ON n.oid = t.typnamespace
              UNION ALL
              SELECT m.*, 'TABLE', n.nspname, c.relname, c.relacl, acldefault('r', c.relowner), NULL
              FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
              AND c.relkind IN ('r', 'p', 'v', 'm', 'f') JOIN pg_namespace n ON n.oid = c.relnamespace) AS r
        LEFT JOIN pg_init_privs p ON (p.classoid, p.objoid) = (r.classid, r.objid) AND p.objsubid = 0
        WHERE r.acl IS NOT NULL AND r.acl IS DISTINCT FROM p.initprivs),
    'dependents', (SELECT json_agg(DISTINCT jsonb_build_object(
        'extension', m.extname, 'object', pg_describe_object(d.classid, d.objid, d.objsubid)))
        FROM pg_depend d JOIN members m ON (d.refclassid, d.refobjid) = (m.classid, m.objid)
        WHERE d.deptype IN ('n', 'a') AND d.classid <> ALL (ARRAY['pg_amop'::regclass, 'pg_amproc'::regclass]::oid[])
          AND NOT EXISTS (SELECT 1 FROM members o WHERE (o.classid, o.objid) = (d.classid, d.objid))
          AND NOT (d.classid = 'pg_rewrite'::regclass AND EXISTS (
              SELECT 1 FROM pg_rewrite w JOIN members o ON o.classid = 'pg_class'::regclass AND o.objid = w.ev_class
              WHERE w.oid = d.objid))
          AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (
              SELECT 1 FROM pg_type e JOIN members o ON o.classid = 'pg_type'::regclass AND o.objid = e.oid
              WHERE e.typarray = d.objid))
          AND NOT (d.classid = 'pg_class'::regclass AND EXISTS (
              SELECT 1 FROM pg_class r JOIN members o ON o.classid = 'pg_type'::regclass AND o.objid = r.reltype
              WHERE r.oid = d.objid AND r.relkind = 'c'))),
    'locks', (SELECT json_agg(json_build_object(
        'key', (l.classid::bigint << 32) | l.objid::bigint, 'pid', l.pid, 'granted', l.granted, 'mine', l.pid = me.pid,
        'application', a.application_name, 'since', a.state_change::text, 'query', left(a.query, 80)))
        FROM interest, me, pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.database = me.database_oid
          AND ((l.classid::bigint << 32) | l.objid::bigint) = ANY (locks)),
    'sessions', (SELECT json_agg(json_build_object('pid', a.pid, 'application', a.application_name, 'role', a.usename,
                                                   'address', a.client_addr::text))
        FROM me, pg_stat_activity a
        WHERE a.datid = me.database_oid AND a.pid <> me.pid AND a.backend_type = 'client backend'),
    'may_read_files', has_table_privilege('pg_catalog.pg_file_settings', 'SELECT')
        AND has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE')
)
