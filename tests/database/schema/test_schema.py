"""The tables, columns, checks and indexes are those of the specification, all described."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from psycopg.errors import CheckViolation

if TYPE_CHECKING:
    from tests.conftest import Sql
    from tests.database.conftest import Patterns

# A column a line: name, type, whether it may be null, default.
COLUMNS = {
    "system_logs": """
        id bigint not null = nextval('ops.system_logs_id_seq'::regclass)
        created_at timestamp with time zone not null = now()
        log_level text not null = 'error'::text
        message text not null
        source text
        error_data jsonb
        metadata jsonb
        environment text
        release text
        event_id text
        user_id uuid = auth.uid()
        written_by text not null = CURRENT_USER
    """,
    "roman_events": """
        id bigint not null = nextval('ops.roman_events_id_seq'::regclass)
        event_id uuid not null = gen_random_uuid()
        event_type text not null
        severity text not null = 'info'::text
        description text
        actor uuid
        metadata jsonb
        constitutional_validation jsonb
        created_at timestamp with time zone not null = now()
    """,
    "error_patterns": """
        id bigint not null = nextval('ops.error_patterns_id_seq'::regclass)
        pattern_id uuid not null = gen_random_uuid()
        pattern_signature text not null
        pattern_type text not null
        error_message_pattern text not null
        error_source text
        severity text not null
        status text not null = 'open'::text
        occurrence_count integer not null = 1
        first_seen timestamp with time zone not null = now()
        last_seen timestamp with time zone not null = now()
        success_rate numeric(5,2) not null = 0.00
        auto_fix_enabled boolean not null = false
        auto_fix_script text
        auto_fix_type text
        auto_fix_parameters jsonb
        constitutional_compliant boolean not null = false
        constitutional_violations jsonb
        learned_from_incidents bigint[]
        confidence_score numeric(3,2) not null = 0.50
        confidence_lower_bound numeric(5,4)
        confidence_outcomes numeric(8,2) not null = 0
        consecutive_failures integer not null = 0
        human_approved boolean not null = false
        approved_by uuid
        approved_at timestamp with time zone
        metadata jsonb
        created_at timestamp with time zone not null = now()
        updated_at timestamp with time zone not null = now()
        tries_expression boolean not null = true
        first_release text
        first_environment text
        last_release text
        last_environment text
        resolved_at timestamp with time zone
        resolved_by uuid
        resolved_release text
        ignored_until timestamp with time zone
        ignored_until_count integer
        merged_into uuid
    """,
    "pattern_applications": """
        id bigint not null = nextval('ops.pattern_applications_id_seq'::regclass)
        application_id uuid not null = gen_random_uuid()
        pattern_id uuid
        system_log_id bigint
        applied_at timestamp with time zone not null = now()
        success boolean not null
        execution_time_ms integer
        fix_script_executed text
        fix_parameters_used jsonb
        error_before text
        error_after text
        system_state_before jsonb
        system_state_after jsonb
        constitutional_validation jsonb
        metadata jsonb
    """,
    "pattern_clusters": """
        id bigint not null = nextval('ops.pattern_clusters_id_seq'::regclass)
        cluster_id uuid not null = gen_random_uuid()
        cluster_name text not null
        cluster_description text
        pattern_ids uuid[]
        centroid_features jsonb
        cluster_size integer not null
        avg_success_rate numeric(5,2)
        total_occurrences integer
        metadata jsonb
        created_at timestamp with time zone not null = now()
        updated_at timestamp with time zone not null = now()
    """,
    "learning_sessions": """
        id bigint not null = nextval('ops.learning_sessions_id_seq'::regclass)
        session_id uuid not null = gen_random_uuid()
        session_type text not null
        started_at timestamp with time zone not null = now()
        completed_at timestamp with time zone
        status text not null = 'running'::text
        input_data jsonb
        output_data jsonb
        patterns_analyzed integer not null = 0
        patterns_created integer not null = 0
        patterns_updated integer not null = 0
        errors_processed integer not null = 0
        execution_time_ms integer
        memory_used_mb integer
        constitutional_compliant boolean not null = true
        metadata jsonb
    """,
    "pattern_signatures": """
        signature text not null
        pattern_id uuid not null
        algorithm text not null
        template text not null
        created_at timestamp with time zone not null = now()
        refused_at timestamp with time zone
        leaf text
        wider text[]
        confirmed_at timestamp with time zone
        confirmed_by uuid
    """,
    "pattern_incidents": """
        id bigint not null = nextval('ops.pattern_incidents_id_seq'::regclass)
        pattern_id uuid not null
        signature text not null
        system_log_id bigint
        occurred_at timestamp with time zone not null = now()
        learned_at timestamp with time zone not null = now()
        refusal text
        target text
    """,
    "pattern_merges": """
        id bigint not null = nextval('ops.pattern_merges_id_seq'::regclass)
        merge_id uuid not null = gen_random_uuid()
        kept uuid not null
        gone uuid not null
        merged_by text not null
        actor uuid
        reason text
        signatures jsonb not null
        incident_count integer not null
        kept_before jsonb not null
        kept_after jsonb not null
        gone_before jsonb not null
        created_at timestamp with time zone not null = clock_timestamp()
        undone_at timestamp with time zone
        undone_by uuid
    """,
    "pattern_splits": """
        id bigint not null = nextval('ops.pattern_splits_id_seq'::regclass)
        split_id uuid not null = gen_random_uuid()
        source uuid not null
        made uuid not null
        actor uuid not null
        reason text
        signatures jsonb not null
        incident_count integer not null
        source_before jsonb not null
        source_after jsonb not null
        created_at timestamp with time zone not null = clock_timestamp()
        undone_at timestamp with time zone
        undone_by uuid
    """,
    "pattern_cannot_links": """
        id bigint not null = nextval('ops.pattern_cannot_links_id_seq'::regclass)
        pattern_a uuid not null
        pattern_b uuid not null
        created_at timestamp with time zone not null = clock_timestamp()
        created_by uuid
        reason text
        merge_id uuid
    """,
    "grouping_rules": """
        id bigint not null = nextval('ops.grouping_rules_id_seq'::regclass)
        rule_id uuid not null = gen_random_uuid()
        name text not null
        expression text not null
        conditions jsonb not null = '{}'::jsonb
        fingerprint text not null
        priority integer not null = 100
        enabled boolean not null = true
        created_by uuid not null
        created_at timestamp with time zone not null = clock_timestamp()
        changed_by uuid not null
        changed_at timestamp with time zone not null = clock_timestamp()
    """,
    "pattern_fixes": """
        id bigint not null = nextval('ops.pattern_fixes_id_seq'::regclass)
        pattern_id uuid not null
        version integer not null
        fix_type text not null
        script text not null
        prepared_script text not null
        undo_script text
        prepared_undo_script text
        sample_table text
        sample_script text
        parameters jsonb not null
        timeout_ms integer not null
        max_retries integer not null
        max_rows integer not null
        trusted_writers text[] not null
        target text[] not null
        tables text[] not null
        hosts text[] not null
        secrets text[] not null
        sha256 text not null
        mode text not null = 'live'::text
        mode_changed_at timestamp with time zone not null = clock_timestamp()
        mode_changed_by uuid
        mode_reason text
        is_on_probation boolean not null = false
        proposal_id uuid
        proposed_by uuid
        dry_run_rows integer
        approved_by uuid not null
        approved_at timestamp with time zone not null = clock_timestamp()
        trusts_until timestamp with time zone not null = clock_timestamp()
        disabled_by uuid
        disabled_at timestamp with time zone
        disabled_reason text
    """,
    "pattern_claims": """
        application_id uuid not null = gen_random_uuid()
        lock_key integer not null
        pattern_id uuid not null
        system_log_id bigint
        fix_version integer not null
        sha256 text not null
        purpose text not null = 'heal'::text
        undoes uuid
        target text not null = ''::text
        source text
        error jsonb not null
        constitutional_validation jsonb
        policy jsonb not null
        claimed_at timestamp with time zone not null = clock_timestamp()
        claimed_by uuid
        lease_until timestamp with time zone not null = (clock_timestamp() + '00:01:00'::interval)
        finished_at timestamp with time zone
    """,
    "pattern_verifications": """
        application_id uuid not null
        pattern_id uuid not null
        fix_version integer not null
        mode text not null
        target text not null = ''::text
        source text
        started_at timestamp with time zone not null
        due_at timestamp with time zone not null
        late_until timestamp with time zone not null
        outcome text not null = 'pending'::text
        reason text
        decided_at timestamp with time zone
        overturned_at timestamp with time zone
        recurrence bigint
        policy jsonb not null
    """,
    "fix_pauses": """
        id bigint not null = nextval('ops.fix_pauses_id_seq'::regclass)
        pause_id uuid not null = gen_random_uuid()
        cause text not null
        reason text not null
        started_at timestamp with time zone not null = clock_timestamp()
        started_by uuid
        expires_at timestamp with time zone not null
        ended_at timestamp with time zone
        ended_by uuid
        ended_reason text
    """,
    "fix_proposals": """
        id bigint not null = nextval('ops.fix_proposals_id_seq'::regclass)
        proposal_id uuid not null = gen_random_uuid()
        pattern_id uuid not null
        fix jsonb not null
        sha256 text not null
        based_on_version integer
        analysis jsonb not null
        dry_run jsonb
        replay jsonb
        previewed_at timestamp with time zone
        proposed_by uuid not null
        proposed_at timestamp with time zone not null = clock_timestamp()
        expires_at timestamp with time zone not null
        decision text
        decided_by uuid
        decided_at timestamp with time zone
        decision_reason text
    """,
    "operators": """
        user_id uuid not null
        role text not null
        created_at timestamp with time zone not null = now()
        created_by text not null = CURRENT_USER
    """,
}

_COLUMNS = """
select format('%%s %%s%%s%%s',
    a.attname,
    format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then ' not null' end,
    ' = ' || pg_get_expr(d.adbin, d.adrelid)) as shown
from pg_attribute as a
left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = to_regclass('ops.' || %s) and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""

SEVERITIES = "debug info warning error critical"
CHECKED_VALUES = {
    "system_logs_level_known": SEVERITIES,
    "roman_events_severity_known": SEVERITIES,
    "error_patterns_severity_known": SEVERITIES,
    "error_patterns_type_known": "database api rls stripe deployment",
    "error_patterns_status_known": "open resolved ignored archived merged",
    "pattern_merges_by_known": "evidence person",
    "error_patterns_fix_type_known": "sql typescript bash api_call",
    "pattern_fixes_type_known": "sql typescript bash api_call",
    "pattern_fixes_mode_known": "live shadow demoted",
    "pattern_claims_purpose_known": "heal shadow undo",
    "pattern_verifications_mode_known": "live shadow",
    "pattern_verifications_outcome_known": "pending verified failed inconclusive",
    "fix_pauses_cause_known": "person storm",
    "fix_proposals_decision_known": "approved rejected",
    "learning_sessions_status_known": "running completed failed aborted",
    "operators_role_known": "ops_viewer ops_operator ops_admin",
}

FOREIGN_KEYS = {
    "error_patterns (approved_by) auth.users SET NULL",
    "error_patterns (merged_into) ops.error_patterns SET NULL",
    "fix_proposals (pattern_id) ops.error_patterns CASCADE",
    "operators (user_id) auth.users CASCADE",
    "pattern_applications (pattern_id) ops.error_patterns CASCADE",
    "pattern_applications (system_log_id) ops.system_logs SET NULL",
    "pattern_cannot_links (merge_id) ops.pattern_merges CASCADE",
    "pattern_cannot_links (pattern_a) ops.error_patterns CASCADE",
    "pattern_cannot_links (pattern_b) ops.error_patterns CASCADE",
    "pattern_claims (pattern_id) ops.error_patterns CASCADE",
    "pattern_claims (pattern_id, fix_version) ops.pattern_fixes NO ACTION",
    "pattern_claims (system_log_id) ops.system_logs SET NULL",
    "pattern_claims (undoes) ops.pattern_claims CASCADE",
    "pattern_fixes (pattern_id) ops.error_patterns CASCADE",
    "pattern_incidents (pattern_id) ops.error_patterns CASCADE",
    "pattern_incidents (system_log_id) ops.system_logs SET NULL",
    "pattern_signatures (confirmed_by) auth.users SET NULL",
    "pattern_merges (gone) ops.error_patterns CASCADE",
    "pattern_merges (kept) ops.error_patterns CASCADE",
    "pattern_signatures (pattern_id) ops.error_patterns CASCADE",
    "pattern_splits (made) ops.error_patterns CASCADE",
    "pattern_splits (source) ops.error_patterns CASCADE",
    "pattern_verifications (application_id) ops.pattern_claims CASCADE",
    "pattern_verifications (pattern_id) ops.error_patterns CASCADE",
    "system_logs (user_id) auth.users SET NULL",
}

INDEXES = {
    "idx_error_patterns_signature": "UNIQUE error_patterns USING btree (pattern_signature)",
    "idx_error_patterns_type": "error_patterns USING btree (pattern_type)",
    "idx_error_patterns_enabled": "error_patterns USING btree (auto_fix_enabled)",
    "idx_error_patterns_expressions": (
        "error_patterns USING btree (id DESC) WHERE (auto_fix_enabled AND tries_expression)"
    ),
    "idx_pattern_signatures_trigram": (
        "pattern_signatures USING gist (template gist_trgm_ops (siglen='64'))"
    ),
    "idx_pattern_signatures_wider": "pattern_signatures USING gin (wider) WITH (fastupdate=off)",
    "idx_pattern_applications_pattern": "pattern_applications USING btree (pattern_id)",
    "idx_pattern_applications_success": "pattern_applications USING btree (success)",
    "idx_pattern_applications_applied": "pattern_applications USING btree (applied_at DESC)",
    "idx_pattern_applications_stats": (
        "pattern_applications USING btree (pattern_id, success, applied_at DESC)"
    ),
    "idx_system_logs_recent": (
        "system_logs USING btree (created_at DESC, log_level)"
        " WHERE (log_level = ANY (ARRAY['error'::text, 'critical'::text]))"
    ),
    "idx_system_logs_created_at": "system_logs USING brin (created_at)",
    "idx_grouping_rules_name": "UNIQUE grouping_rules USING btree (name) WHERE enabled",
    "idx_pattern_signatures_rule": (
        "pattern_signatures USING btree (template) WHERE (algorithm ~~ '%/rule'::text)"
    ),
    "idx_pattern_claims_once": (
        "UNIQUE pattern_claims USING btree (pattern_id, fix_version, system_log_id)"
        " WHERE (purpose <> 'undo'::text)"
    ),
    "idx_pattern_claims_unfinished": (
        "pattern_claims USING btree (lease_until) WHERE (finished_at IS NULL)"
    ),
    "idx_pattern_claims_latest": "pattern_claims USING btree (pattern_id, claimed_at DESC)",
    "idx_pattern_claims_claimed": "pattern_claims USING btree (claimed_at DESC)",
    "idx_pattern_verifications_pending": (
        "pattern_verifications USING btree (due_at) WHERE (outcome = 'pending'::text)"
    ),
    "idx_pattern_verifications_verified": (
        "pattern_verifications USING btree (late_until) WHERE (outcome = 'verified'::text)"
    ),
    "idx_pattern_verifications_latest": (
        "pattern_verifications USING btree (pattern_id, started_at DESC)"
    ),
    "idx_pattern_stats_pattern": "UNIQUE pattern_stats USING btree (pattern_id)",
    "pattern_incidents_system_log_id_key": "UNIQUE pattern_incidents USING btree (system_log_id)",
    "system_logs_event_id_key": "UNIQUE system_logs USING btree (event_id)",
}


def test_the_tables_are_those_of_the_design(database: Sql) -> None:
    """Schema ops has the specification's tables and those that identity and fixes need."""
    rows = database.rows("select tablename from pg_tables where schemaname = 'ops'")
    assert {row["tablename"] for row in rows} == set(COLUMNS)


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_has_the_specified_columns(database: Sql, table: str) -> None:
    """Each column has its name, type, nullability and default, in the specification's order."""
    database.run("set search_path = ''")
    found = [row["shown"] for row in database.rows(_COLUMNS, table)]
    assert found == [line.strip() for line in COLUMNS[table].strip().splitlines()]


@pytest.mark.parametrize("check", CHECKED_VALUES)
def test_a_listed_set_of_values_is_checked(database: Sql, check: str) -> None:
    """A column whose values the specification lists takes these and no others."""
    shown = database.value(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = %s", check
    )
    assert set(re.findall(r"'(\w+)'", shown)) == set(CHECKED_VALUES[check].split())


def test_foreign_keys_say_what_becomes_of_their_rows(database: Sql) -> None:
    """A pattern takes what hangs on it along; a log row or a person leaves what was learned."""
    rows = database.rows("""
        select format('%s %s %s.%s %s', r.relname,
            substring(pg_get_constraintdef(c.oid) from '\\(.*?\\)'), n.nspname, f.relname,
            case c.confdeltype
              when 'n' then 'SET NULL' when 'c' then 'CASCADE' else 'NO ACTION' end) as shown
        from pg_constraint as c
        join pg_class as r on r.oid = c.conrelid
        join pg_class as f on f.oid = c.confrelid
        join pg_namespace as n on n.oid = f.relnamespace
        where c.contype = 'f' and c.connamespace = 'ops'::regnamespace
    """)
    assert {row["shown"] for row in rows} == FOREIGN_KEYS


def test_every_foreign_key_has_an_index(database: Sql) -> None:
    """Some index begins with a foreign key's columns, so that deleting does not read the table."""
    rows = database.rows("""
        select c.conrelid::regclass::text || ' ' || c.conname as bare
        from pg_constraint as c
        where c.contype = 'f' and c.connamespace = 'ops'::regnamespace
          and not exists (
            select from pg_index as i
            where i.indrelid = c.conrelid and i.indpred is null
              and (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] = c.conkey)
    """)
    assert rows == []


def test_the_specified_indexes_are_there(database: Sql) -> None:
    """Each index of the specification, and each that a rule rests on, is as it should be."""
    rows = database.rows("select indexname, indexdef from pg_indexes where schemaname = 'ops'")
    shown = re.compile(r"CREATE( UNIQUE)? INDEX \w+ ON ops\.(.*)")
    found = {row["indexname"]: shown.sub(r"\1 \2", row["indexdef"]).strip() for row in rows}
    assert {name: found.get(name) for name in INDEXES} == INDEXES


def test_every_object_is_described(database: Sql) -> None:
    """Each schema, table, view, column and function carries a comment."""
    rows = database.rows("""
        with ours as (
          select oid, nspname from pg_namespace where nspname in ('ops', 'ops_internal', 'fix'))
        select nspname::text as name from ours where obj_description(oid, 'pg_namespace') is null
        union all
        select format('%I.%I', nspname, relname)
        from pg_class join ours on ours.oid = relnamespace
        where relkind in ('r', 'm', 'v') and obj_description(pg_class.oid, 'pg_class') is null
        union all
        select format('%I.%I.%I', nspname, relname, attname)
        from pg_attribute join pg_class on pg_class.oid = attrelid
        join ours on ours.oid = relnamespace
        where relkind in ('r', 'm', 'v') and attnum > 0 and not attisdropped
          and col_description(attrelid, attnum) is null
        union all
        select pg_proc.oid::regprocedure::text
        from pg_proc join ours on ours.oid = pronamespace
        where obj_description(pg_proc.oid, 'pg_proc') is null
    """)
    assert [row["name"] for row in rows] == []


def test_every_table_has_row_level_security(database: Sql) -> None:
    """No table of schema ops is without row-level security."""
    rows = database.rows("""
        select relname from pg_class
        where relnamespace = 'ops'::regnamespace and relkind in ('r', 'p') and not relrowsecurity
    """)
    assert rows == []


def test_every_function_has_a_fixed_search_path(database: Sql) -> None:
    """No function looks a name up in a schema that its caller chose."""
    rows = database.rows("""
        select oid::regprocedure::text as name from pg_proc
        where pronamespace in ('ops'::regnamespace, 'ops_internal'::regnamespace,
            'fix'::regnamespace)
          and coalesce(not 'search_path=""' = any (proconfig), true)
    """)
    assert rows == []


def test_a_pattern_is_enabled_only_with_an_approved_fix(database: Sql, patterns: Patterns) -> None:
    """Nobody, not the owner either, enables a pattern that has no approved fix."""
    with pytest.raises(CheckViolation, match="enabled_means_approved"):
        database.run(
            "update ops.error_patterns set auto_fix_enabled = true where pattern_id = %s",
            patterns.new(),
        )
