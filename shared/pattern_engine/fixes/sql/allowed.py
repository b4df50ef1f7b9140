"""The statements, functions, types and schemas that an SQL fix may use; all others are refused.

The lists are separate from `analysis`, so that a reviewer sees at once when one of them grows.
"""

import re
from typing import Final

from pattern_engine.fixes.sql.tree import ast, enums

#: The allowed statements, at any depth.
STATEMENTS: Final[dict[type, str]] = {
    ast.SelectStmt: "select",
    ast.InsertStmt: "insert",
    ast.UpdateStmt: "update",
    ast.DeleteStmt: "delete",
    ast.MergeStmt: "merge",
}

#: The allowed parts of statements. Not listed, and so refused, are SELECT INTO, WHERE CURRENT OF,
#: TABLESAMPLE, XML and SQL/JSON constructors, and every utility statement.
NODES: Final = frozenset(
    {
        *STATEMENTS,
        ast.RawStmt, ast.WithClause, ast.CommonTableExpr, ast.ReturningClause, ast.ReturningOption,
        ast.RangeVar, ast.RangeSubselect, ast.RangeFunction, ast.JoinExpr, ast.Alias, ast.ColumnDef,
        ast.ResTarget, ast.MultiAssignRef, ast.SetToDefault, ast.OnConflictClause, ast.InferClause,
        ast.IndexElem, ast.ColumnRef, ast.A_Star, ast.ParamRef, ast.A_Const, ast.Integer, ast.Float,
        ast.Boolean, ast.String, ast.BitString, ast.A_Expr, ast.BoolExpr, ast.NullTest,
        ast.BooleanTest, ast.CaseExpr, ast.CaseWhen, ast.CoalesceExpr, ast.MinMaxExpr, ast.SubLink,
        ast.A_ArrayExpr, ast.A_Indirection, ast.A_Indices, ast.RowExpr, ast.FuncCall, ast.TypeCast,
        ast.TypeName, ast.SQLValueFunction, ast.SortBy, ast.WindowDef, ast.GroupingSet,
        ast.GroupingFunc, ast.LockingClause, ast.MergeWhenClause, ast.MergeSupportFunc,
        ast.NamedArgExpr, ast.CollateClause,
    }
)  # fmt: skip

#: Functions of pg_catalog without side effects, with results no larger than their arguments.
FUNCTIONS: Final = frozenset(
    """
    now clock_timestamp statement_timestamp transaction_timestamp age date_part date_trunc date_bin
    extract justify_days justify_hours justify_interval make_date make_interval make_time
    make_timestamp make_timestamptz date timezone to_char to_date to_number to_timestamp isfinite
    overlaps
    abs ceil ceiling div floor mod power round sign sqrt cbrt trunc exp ln log log10 pi degrees
    radians gcd lcm scale trim_scale width_bucket random
    num_nonnulls num_nulls
    lower upper initcap length char_length character_length octet_length bit_length
    btrim ltrim rtrim left right substr substring overlay position strpos replace translate
    reverse split_part starts_with concat concat_ws quote_ident quote_literal quote_nullable
    regexp_replace regexp_match regexp_matches regexp_substr regexp_count regexp_instr regexp_like
    regexp_split_to_array regexp_split_to_table string_to_array string_to_table array_to_string
    like_escape similar_to_escape ascii chr normalize unistr parse_ident
    md5 sha224 sha256 sha384 sha512 encode decode to_hex convert_from convert_to
    host masklen network family point
    count sum min max avg bool_and bool_or every bit_and bit_or string_agg array_agg jsonb_agg
    json_agg jsonb_object_agg json_object_agg stddev stddev_pop stddev_samp variance var_pop
    var_samp corr percentile_cont percentile_disc mode range_agg
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value
    nth_value
    jsonb_build_object jsonb_build_array json_build_object json_build_array to_jsonb to_json
    row_to_json array_to_json jsonb_object json_object jsonb_pretty
    jsonb_set jsonb_set_lax jsonb_insert jsonb_strip_nulls jsonb_typeof json_typeof
    jsonb_array_length json_array_length jsonb_array_elements jsonb_array_elements_text
    json_array_elements json_array_elements_text jsonb_each jsonb_each_text json_each json_each_text
    jsonb_object_keys json_object_keys jsonb_extract_path jsonb_extract_path_text json_extract_path
    json_extract_path_text jsonb_to_record jsonb_to_recordset json_to_record json_to_recordset
    jsonb_populate_record jsonb_populate_recordset json_populate_record json_populate_recordset
    jsonb_path_exists jsonb_path_query jsonb_path_query_array jsonb_path_query_first
    jsonb_path_match
    array_length array_upper array_lower array_ndims cardinality unnest array_append array_prepend
    array_cat array_remove array_replace array_position array_positions trim_array
    generate_subscripts lower_inc upper_inc lower_inf upper_inf isempty range_merge
    int4range int8range numrange daterange tsrange tstzrange tstzmultirange
    enum_first enum_last enum_range gen_random_uuid uuidv4 uuidv7
    to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd
    setweight strip
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)

#: Functions of pg_catalog for which an argument decides the size of the result, with the index of
#: that argument. It must be a literal, and no larger than `MAX_LENGTH`.
SIZED_FUNCTIONS: Final = {"repeat": 1, "lpad": 1, "rpad": 1, "generate_series": 1, "format": 0}
MAX_LENGTH: Final = 10_000

#: Functions that Supabase installs into `extensions`; an approval may add others of that schema.
EXTENSION_FUNCTIONS: Final = frozenset(
    {
        "extensions.uuid_generate_v4",
        "extensions.gen_random_uuid",
        "extensions.digest",
        "extensions.hmac",
    }
)
OPEN_SCHEMA: Final = "extensions"

#: Functions that not even the approval's `functions` can allow: they read files, settings or the
#: catalogue, run text as SQL, sleep, send signals, reach other servers, or change something that a
#: rollback does not restore, such as a sequence (a column's default may still use its sequence).
FORBIDDEN_FUNCTION: Final = re.compile(
    r"pg_.*|lo_.*|loread|lowrite|be_lo_.*|dblink.*|postgres_fdw.*|file_fdw.*|http|http_.*"
    r"|set_config|current_setting|setseed|.*_to_xml.*|xml.*|xpath.*|ts_stat|ts_rewrite|ts_debug"
    r"|ts_parse|ts_token_type|ts_lexize|crosstab.*|normal_rand|connectby"
    r"|nextval|setval|currval|lastval|txid_.*|xid|xid8|to_reg[a-z]+"
    r"|reg(?:class|collation|config|database|dictionary|namespace|oper|operator|proc|procedure|role|type)"
    r"|format_type|(?:obj|col|shobj)_description|acl.*|makeaclitem|mxid_age|getdatabaseencoding"
    r"|get_current_ts_config|currtid2|gin_clean_pending_list|array_fill|amvalidate|plpgsql_.*"
    r"|has_.*_privilege|row_security_.*|inet_(?:client|server)_.*|binary_upgrade_.*|brin_.*"
    r"|version|getpgusername|session_user|user|current_(?:query|user|role|schemas?|database|catalog)"
    r"|system_user"
)
#: The forbidden functions of one argument. If x has no column `name`, `x.name` calls `name(x)`:
#: `select f.pg_read_file from unnest($1) f`.
FORBIDDEN_ATTRIBUTE: Final = re.compile(
    r"pg_.*|(?:be_)?lo_.*|current_setting|setseed|ts_stat|nextval|currval|txid_.*|to_reg[a-z]+"
    r"|reg(?:class|collation|config|database|dictionary|namespace|oper|operator|proc|procedure|role|type)"
    r"|gin_clean_pending_list|brin_.*|binary_upgrade_.*|currtid2|aclexplode|amvalidate|plpgsql_.*"
)

#: The allowed functions without parentheses; the others return the current user or schema.
VALUE_FUNCTIONS: Final = frozenset(
    {
        enums.SQLValueFunctionOp.SVFOP_CURRENT_DATE,
        enums.SQLValueFunctionOp.SVFOP_CURRENT_TIME,
        enums.SQLValueFunctionOp.SVFOP_CURRENT_TIME_N,
        enums.SQLValueFunctionOp.SVFOP_CURRENT_TIMESTAMP,
        enums.SQLValueFunctionOp.SVFOP_CURRENT_TIMESTAMP_N,
        enums.SQLValueFunctionOp.SVFOP_LOCALTIME,
        enums.SQLValueFunctionOp.SVFOP_LOCALTIME_N,
        enums.SQLValueFunctionOp.SVFOP_LOCALTIMESTAMP,
        enums.SQLValueFunctionOp.SVFOP_LOCALTIMESTAMP_N,
    }
)

#: The allowed types of pg_catalog. Any other type without a schema is looked up in public.
TYPES: Final = frozenset(
    """
    bool int2 int4 int8 float4 float8 numeric money text varchar bpchar char name bytea
    date time timetz timestamp timestamptz interval uuid json jsonb jsonpath inet cidr macaddr
    macaddr8 bit varbit
    tsvector tsquery int4range int8range numrange tsrange tstzrange daterange int4multirange
    int8multirange nummultirange tsmultirange tstzmultirange datemultirange point line lseg box path
    polygon circle
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)
#: Types that look up text in the catalogue, or hold internal numbers of Postgres.
FORBIDDEN_TYPE: Final = re.compile(
    r"reg(?:class|collation|config|database|dictionary|namespace|oper|operator|proc|procedure|role|type)"
    r"|oid|oidvector|xid|xid8|cid|tid|aclitem|pg_.*|txid_snapshot|refcursor|xml|record|any.*|internal|cstring"
    r"|trigger|event_trigger|language_handler|void|unknown|information_schema.*"
)

#: Schemas that no fix writes to; a fix may read those of their tables that the approval lists.
PROTECTED_SCHEMA: Final = re.compile(
    r"auth|vault|storage|ops|cron|net|fix|extensions|realtime|graphql|graphql_public|pgbouncer|pgmq|pgsodium"
    r"|pgsodium_masks|pgtle|information_schema|dbdev|archive|supabase.*|_.*|pg_.*"
)
#: Relations of the catalogue, which Postgres finds without their schema too.
CATALOGUE: Final = re.compile(r"pg_.*")
#: Schemas that not even an approval's `reads` can open: they hold the catalogue, or secrets that a
#: fix could copy into a table which others read.
UNREADABLE_SCHEMA: Final = re.compile(r"vault|pgsodium|pgsodium_masks|information_schema|fix|pg_.*")
