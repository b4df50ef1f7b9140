-- What grouping/v2 needs of the database: which templates are alike, and who confirmed a signature.
--
-- Two templates are alike if one is the other with one more variable (see grouping/v2_leaf.py). So a signature
-- is kept with the signatures of its template's wider forms, and both directions are a look at an index.

alter table ops.pattern_signatures
add column leaf text,
add column wider text [],
add column confirmed_at timestamptz,
add column confirmed_by uuid references auth.users (id) on delete set null,
add constraint pattern_signatures_confirmed_by_someone check (confirmed_by is null or confirmed_at is not null);

comment on column ops.pattern_signatures.leaf is
  'What all templates that may be alike have in common: their number of words and the first. Null where nothing is ever alike: older algorithms, stack traces, rules, fingerprints.';
comment on column ops.pattern_signatures.wider is 'Signatures of its template with one word more a variable; a signature among them is alike.';
comment on column ops.pattern_signatures.confirmed_at is
  'When a person said that the pattern''s fix is meant for this signature too, although it came after the approval.';
comment on column ops.pattern_signatures.confirmed_by is 'Who said so.';

-- No list of waiting entries: who looks for what is alike would have to read it all.
create index idx_pattern_signatures_wider on ops.pattern_signatures using gin (wider) with (fastupdate = off);
create index idx_pattern_signatures_confirmed_by on ops.pattern_signatures (confirmed_by);

-- Confirming is a person's: the secret key writes every column but those two.
revoke insert, update on table ops.pattern_signatures from service_role;
grant insert (signature, pattern_id, algorithm, template, leaf, wider, created_at) on table ops.pattern_signatures to service_role;
grant update (signature, pattern_id, algorithm, template, leaf, wider, created_at, refused_at) on table ops.pattern_signatures to service_role;

create function ops_internal.stamp_signature() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Undoing puts back what was trusted before. Only the functions that people call run as the table's owner.
  if current_setting('pattern_engine.restores_trust', true) = 'on'
    and current_user = (select pg_get_userbyid(classes.relowner) from pg_catalog.pg_class as classes where classes.oid = tg_relid)
  then
    return new;
  end if;
  if tg_op = 'UPDATE' and new.pattern_id = old.pattern_id then
    new.created_at := old.created_at;
  else
    new.created_at := clock_timestamp();
    -- What a person confirmed, he confirmed for that pattern's fix.
    new.confirmed_at := null;
    new.confirmed_by := null;
  end if;
  return new;
end
$$;

comment on function ops_internal.stamp_signature() is
  'Records when a signature came to its pattern, whatever the writer says, and that nobody has confirmed it there: a fix does not apply to those that came after its approval. Only undoing a merge or a split puts back what was before.';
revoke all on function ops_internal.stamp_signature() from public, anon, authenticated, service_role;

create trigger stamp_signature before insert or update on ops.pattern_signatures
  for each row execute function ops_internal.stamp_signature();

-- Where an expression is tried on errors whose signature nobody knows: the expressions of grouping/v1 match little but
-- their own messages; those of grouping/v2 match whatever may stand for a variable, which is no reason to run a fix.
alter table ops.error_patterns add column tries_expression boolean not null default true;

comment on column ops.error_patterns.tries_expression is
  'Whether the fix may find an error of unknown signature by its expression: made by grouping/v1, or by hand.';

create index idx_error_patterns_expressions on ops.error_patterns (id desc) where auto_fix_enabled and tries_expression;

create function ops_internal.stamp_expression() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.tries_expression := true;
  return new;
end
$$;

comment on function ops_internal.stamp_expression() is 'Has an expression tried that somebody wrote by hand.';
revoke all on function ops_internal.stamp_expression() from public, anon, authenticated, service_role;

create trigger stamp_expression before update of error_message_pattern on ops.error_patterns
  for each row
  when (new.error_message_pattern is distinct from old.error_message_pattern)
  execute function ops_internal.stamp_expression();

-- Release and environment of the first and the last error.
alter table ops.error_patterns
add column first_release text,
add column first_environment text,
add column last_release text,
add column last_environment text;

comment on column ops.error_patterns.first_release is 'The application''s version in its earliest error, if the log row said so.';
comment on column ops.error_patterns.first_environment is 'Where its earliest error happened, if the log row said so.';
comment on column ops.error_patterns.last_release is 'The application''s version in its latest error that said so.';
comment on column ops.error_patterns.last_environment is 'Where its latest error that said so happened.';

-- Locks. Learners of known errors run side by side. Those that make patterns take turns by what may be alike;
-- those that move signatures or incidents from one pattern to another have learning to themselves.

create function ops_internal.learning_lock_class() returns integer
language sql
immutable
set search_path = ''
as $$ select 7831619 $$;

comment on function ops_internal.learning_lock_class() is
  'First half of the advisory locks of learning; the second is 0 for all of it, 1 to 64 for what may be alike.';

create function ops_internal.leaf_lock(p_leaf text) returns integer
language sql
immutable
set search_path = ''
as $$ select 1 + (hashtext(p_leaf) & 63) $$;

comment on function ops_internal.leaf_lock(text) is
  'Second half of the advisory lock of a leaf. Few enough that a large batch does not use up the server''s locks.';

create function ops_internal.stop_learning() returns void
language sql
set search_path = ''
as $$ select pg_advisory_xact_lock(ops_internal.learning_lock_class(), 0) $$;

comment on function ops_internal.stop_learning() is
  'Waits until nobody learns and keeps it so to the end of the transaction. To be called before any row is locked, by whatever moves signatures or incidents to another pattern.';

revoke all on function
  ops_internal.learning_lock_class(),
  ops_internal.leaf_lock(text),
  ops_internal.stop_learning()
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.learning_lock_class(),
  ops_internal.leaf_lock(text),
  ops_internal.stop_learning()
to service_role;
