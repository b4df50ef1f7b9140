-- Stand-in for the extension pg_net, with the SQL interface of its version 0.14: requests are queued
-- in a transaction and sent after its commit, at most once, by `pattern_engine.local.worker`.
-- Only postgres and service_role may queue a request; the original allows it to every role.

create schema if not exists net;
comment on schema net is 'Stand-in for pg_net.';

create unlogged table if not exists net.http_request_queue (
  id bigserial primary key,
  method text not null check (method in ('GET', 'POST', 'DELETE')),
  url text not null,
  headers jsonb,
  body bytea,
  timeout_milliseconds int not null
);
comment on table net.http_request_queue is 'Requests that wait to be sent.';

create unlogged table if not exists net._http_response (
  id bigint,
  status_code int,
  content_type text,
  headers jsonb,
  content text,
  timed_out bool,
  error_msg text,
  created timestamptz not null default now()
);
comment on table net._http_response is 'Responses, kept for six hours.';
create index if not exists http_response_created_idx on net._http_response (created);
create index if not exists http_response_id_idx on net._http_response (id);

create or replace function net._queue(
  method text, url text, params jsonb, headers jsonb, body bytea, timeout_milliseconds int
) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  query text;
  request_id bigint;
begin
  select string_agg(net._urlencode_string(key) || '=' || net._urlencode_string(value), '&')
    into query
    from jsonb_each_text(coalesce(params, '{}'));
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  values (
    method,
    url || coalesce(case when strpos(url, '?') > 0 then '&' else '?' end || query, ''),
    headers, body, timeout_milliseconds
  )
  returning id into request_id;
  perform pg_notify('net_http_request_queue', '');
  return request_id;
end
$$;
comment on function net._queue is 'Queue one request and notify the worker at commit.';

create or replace function net._urlencode_string(string text) returns text
language sql immutable strict
set search_path = ''
as $$
  select coalesce(string_agg(
    case
      when byte in (45, 46, 95, 126) or byte between 48 and 57
        or byte between 65 and 90 or byte between 97 and 122
      then chr(byte)
      else '%' || upper(lpad(to_hex(byte), 2, '0'))
    end, '' order by place), '')
  from (
    select place, get_byte(bytes, place) as byte
    from convert_to(string, 'UTF8') as bytes, generate_series(0, length(bytes) - 1) as place
  ) as encoded
$$;
comment on function net._urlencode_string is 'Percent-encode all but the unreserved characters of RFC 3986.';

create or replace function net.http_get(
  url text,
  params jsonb default '{}',
  headers jsonb default '{}',
  timeout_milliseconds int default 5000
) returns bigint
language sql
set search_path = ''
as $$ select net._queue('GET', url, params, headers, null, timeout_milliseconds) $$;
comment on function net.http_get is 'Queue a GET request; returns its id.';

create or replace function net.http_post(
  url text,
  body jsonb default '{}',
  params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}',
  timeout_milliseconds int default 5000
) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  content_type text;
begin
  select value into content_type
    from jsonb_each_text(coalesce(headers, '{}'))
    where lower(key) = 'content-type'
    limit 1;
  if content_type is null then
    headers := coalesce(headers, '{}') || '{"Content-Type": "application/json"}';
  elsif content_type <> 'application/json' then
    raise exception 'Content-Type header must be "application/json"';
  end if;
  return net._queue(
    'POST', url, params, headers, convert_to(body::text, 'UTF8'), timeout_milliseconds);
end
$$;
comment on function net.http_post is 'Queue a POST request with a JSON body; returns its id.';

create or replace function net.http_delete(
  url text,
  params jsonb default '{}',
  headers jsonb default '{}',
  timeout_milliseconds int default 5000
) returns bigint
language sql
set search_path = ''
as $$ select net._queue('DELETE', url, params, headers, null, timeout_milliseconds) $$;
comment on function net.http_delete is 'Queue a DELETE request; returns its id.';

revoke all on all functions in schema net from public;
grant usage on schema net to postgres, service_role;
grant all on all tables in schema net to postgres, service_role;
grant all on all sequences in schema net to postgres, service_role;
grant execute on all functions in schema net to postgres, service_role;
