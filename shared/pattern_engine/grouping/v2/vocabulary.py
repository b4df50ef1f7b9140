"""The closed lists of words that `names` and `neighbours` use: English as programs write it.

A word too many in `NOT_A_NAME` splits a pattern at worst; one too many in `NOUNS` may join two.
"""

from typing import Final

_NOUNS: Final = """
table view domain column relation index constraint schema database role user type function
procedure routine operator trigger policy extension sequence language wrapper collation tablespace
publication subscription slot object parser dictionary template configuration server host tenant
provider bucket module package plugin container pod node job task file directory image repository
branch commit variable parameter key property field attribute method class family service queue
topic partition runner thread process device interface channel endpoint program driver plan
currency country locale scope grant algorithm realm account bot group member project organization
team stream shard replica
"""
#: Things that are called by a name, which stands after the noun.
NOUNS: Final = frozenset(_NOUNS.split())
#: Nouns before a colon whose value follows.
VALUE_NOUNS: Final = ("boolean", "integer", "number", "value", "code", "id")

_NOT_A_NAME: Final = """
is are was were be been must cannot can could does do did has have had of for in on at to from by
with without and or not no that which this the a an as if when where while already will would
should may might into it its there than then but because due via per between within before after
until upon only name names named contain contains list definition value values type types number
modifier reference references key keys request requests input output error errors timeout data
agent id ID ids size count limit limits status state mode level option options row rows column
columns table tables require requires need needs needed expected exists found missing lost sent
built down up full empty busy idle ok OK done unknown argument arguments parameter parameters
specification condition conditions expression expressions constraint constraints inheritance
access call calls body result results clause code space memory node nodes file files system
process connection connections handler validator creation membership cache catalog mapping
mappings contents entry entries item items bound bounds strategy tuple tuples element elements
subscript range ranges length message format header line lines block blocks page pages pointer
identifier record alias aliases variable variables permission permissions privilege privileges
order set sets authentication authorization password oid OID OIDs resource resources info
information version lock locks index indexes search path paths supports supported family class
cleanup token descriptor group exception exceptions event events side login logout attack boot
action start startup shutdown restart exit update change changes marker pool buffer store manager
worker controller client registry term terms card
"""
#: Words after a noun that are not its name: the rest of a compound, a verb, a state.
NOT_A_NAME: Final = frozenset(_NOT_A_NAME.split())
_NOT_A_VALUE: Final = """
is are was were not no the a an in on at to of for from by with and or already must cannot missing
lost down up ok OK done full empty busy idle unknown invalid
"""
#: Endings of words that tell what is done rather than what a thing is called.
ABSTRACT: Final = ("tion", "ment", "ance", "ence", "ness", "ity")
#: After "unknown provider:" nearly every other word is a value.
NOT_A_VALUE: Final = frozenset(_NOT_A_VALUE.split())
_AFTER_NAME: Final = """
is are was were does do did has have had of for in on at to from by with without already cannot
can could must will would should violates requires because not and or exceeded exceeds failed via
into as when exists contains returned references
"""
#: Words that follow a name, so that what stands between the noun and them is one.
AFTER_NAME: Final = frozenset(_AFTER_NAME.split())
_REJECTIONS: Final = """
required unknown invalid missing unsupported unrecognized duplicate undefined unexpected
"""
#: Words before a noun which say that its value was refused.
REJECTIONS: Final = frozenset(_REJECTIONS.split())

#: A name within an expression.
NAME: Final = r"[A-Za-z_][\w$-]*"
CAPITALS: Final = r"[A-Z][A-Z]+(?: [A-Z][A-Z]+)*"
#: PostgreSQL's types as it prints them.
SQL_TYPE: Final = (
    r"(?:(?:small|big)?(?:int|serial)|integer|smallint|bigint|numeric|decimal|real|"
    r"double precision|character varying|character|varchar|bpchar|boolean|bool|"
    r"timestamp with(?:out)? time zone|timestamptz|timestamp|time with(?:out)? time zone|"
    r"interval|jsonb?|jsonpath|uuid|bytea|xml|text|date|bit varying|bit|inet|cidr|macaddr|"
    r"money|tsvector|tsquery|oid|name|void|record|internal|cstring|unknown|any\w*|pg_lsn|"
    r"point|box|lseg|polygon|circle|citext|halfvec|vector|regclass|event_trigger|trigger)"
)
UNITS: Final = (
    "(?:[KMGT]i?|k)?B|kb|ms|us|µs|ns|s|secs?|mins?|[Bb]ytes?|(?:milli|micro|nano)?seconds?|"
    "minutes?|hours?|days?"
)
CURRENCIES: Final = "usd|eur|gbp|jpy|chf|cad|aud|cny|inr|USD|EUR|GBP|JPY|CHF|CAD|AUD|CNY|INR"
#: What is counted, in the singular: a plural after a number is no other message.
COUNTED: Final = (
    "row|column|record|request|time|attempt|error|file|page|argument|parameter|object|item|"
    "connection|failure|key|value|line|character|block|element|dimension"
)
_ACCOUNTS: Final = """
root admin postgres anonymous nobody guest test daemon mysql oracle ubuntu www-data
"""
#: Accounts that every system has.
ACCOUNTS: Final = frozenset(_ACCOUNTS.split())
ENVIRONMENTS: Final = frozenset(("production", "staging", "preview", "development"))
_MONTHS: Final = """
Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec
January February March April June July August September October November December
"""
MONTHS: Final = frozenset(_MONTHS.split())
