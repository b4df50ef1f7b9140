-- How often a fix helps at least, by its outcomes: a quantile of a Beta distribution, which Postgres has no function for.

create function ops_internal.log_gamma(p_x double precision) returns double precision
language plpgsql immutable strict
set search_path = ''
as $$
declare
  x double precision := p_x;
  shift double precision := 0.0::double precision;
begin
  -- Stirling's series is exact to 1e-12 from 10 on; below it, gamma(x) = gamma(x + 1) / x leads there.
  while x < 10 loop
    shift := shift + ln(x);
    x := x + 1;
  end loop;
  return (x - 0.5) * ln(x) - x + ln(2 * pi()) / 2
    + 1 / (12 * x) - 1 / (360 * x ^ 3) + 1 / (1260 * x ^ 5) - 1 / (1680 * x ^ 7) - shift;
end
$$;

comment on function ops_internal.log_gamma(double precision) is
  'The logarithm of the gamma function above 0; NIST Digital Library of Mathematical Functions, 5.11.1.';

create function ops_internal.beta_below(
  p_x double precision, p_a double precision, p_b double precision
) returns double precision
language plpgsql immutable strict
set search_path = ''
as $$
declare
  is_mirrored constant boolean := p_x > (p_a + 1) / (p_a + p_b + 2);
  x constant double precision := case when is_mirrored then 1 - p_x else p_x end;
  a constant double precision := case when is_mirrored then p_b else p_a end;
  b constant double precision := case when is_mirrored then p_a else p_b end;
  term double precision;
  numerators double precision := 1.0::double precision;
  denominators double precision := 0.0::double precision;
  fraction double precision := 1.0::double precision;
  m double precision := 0.0::double precision;
  below double precision;
begin
  -- 1 + d1 / (1 + d2 / (1 + …)) by the modified method of Lentz, two terms a turn.
  loop
    term := -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    numerators := 1 + term / numerators;
    denominators := 1 / (1 + term * denominators);
    fraction := fraction * numerators * denominators;
    m := m + 1;
    term := m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    numerators := 1 + term / numerators;
    denominators := 1 / (1 + term * denominators);
    fraction := fraction * numerators * denominators;
    exit when abs(numerators * denominators - 1) < 1e-12;
  end loop;
  below := exp(greatest(-600,
    ops_internal.log_gamma(a + b) - ops_internal.log_gamma(a) - ops_internal.log_gamma(b)
    + a * ln(x) + b * ln(1 - x)
  )) / a / fraction;
  return case when is_mirrored then 1 - below else below end;
end
$$;

comment on function ops_internal.beta_below(double precision, double precision, double precision) is
  'How likely Beta(a, b) is below x, 0 < x < 1; NIST Digital Library of Mathematical Functions, 8.17.4 and 8.17.22.';

create function ops_internal.beta_lower_bound(
  p_verified double precision, p_failed double precision
) returns double precision
language plpgsql immutable strict
set search_path = ''
as $$
declare
  low double precision := 0.0::double precision;
  high double precision := 1.0::double precision;
  middle double precision;
begin
  if not (p_verified between 0 and 1e6 and p_failed between 0 and 1e6) then
    raise exception 'no bound of % verified, % failed', p_verified, p_failed
      using errcode = 'numeric_value_out_of_range';
  end if;
  while high - low > 1e-8 loop
    middle := (low + high) / 2;
    if ops_internal.beta_below(middle, 1 + p_verified, 1 + p_failed) < 0.05 then
      low := middle;
    else
      high := middle;
    end if;
  end loop;
  return (low + high) / 2;
end
$$;

comment on function ops_internal.beta_lower_bound(double precision, double precision) is
  'The share of runs that all but surely end well: the 5 % quantile of Beta(1 + verified, 1 + failed), exact to 1e-8. The engine computes the same.';

revoke all on function
  ops_internal.log_gamma(double precision),
  ops_internal.beta_below(double precision, double precision, double precision),
  ops_internal.beta_lower_bound(double precision, double precision)
from public, anon, authenticated, service_role;
