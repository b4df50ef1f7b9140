"""The small language that bash fixes are written in. What is not listed is refused.

Kept apart from the code that reads scripts: widening a list is a change of data, which a reviewer
sees as such.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["COMMANDS", "ENVIRONMENT", "FIND", "HINTS", "NODES", "RESERVED", "Command"]

#: Kinds of nodes of tree-sitter-bash.
NODES: Final = frozenset("program comment command command_name word number string string_content raw_string ansi_c_string concatenation simple_expansion expansion command_substitution list arithmetic_expansion process_substitution brace_expression variable_name special_variable_name variable_assignment variable_assignments subscript array declaration_command pipeline subshell compound_statement negated_command test_command test_operator unary_expression binary_expression ternary_expression postfix_expression parenthesized_expression regex extglob_pattern if_statement elif_clause else_clause case_statement case_item for_statement c_style_for_statement while_statement do_group function_definition redirected_statement file_redirect file_descriptor heredoc_redirect heredoc_start heredoc_body heredoc_content heredoc_end herestring_redirect".split())  # fmt: skip


class Command(NamedTuple):
    """What a command may be given: operands of which role, and options as getopt has them.

    Roles: `any` text, also where it looks like an option; `text`; paths that it reads (`read`),
    writes (`write`) or removes (`lose`); `copy`: the last one written, others read; `then-…`: a
    text before those; `run`: a command.
    """

    role: str
    short: str
    long: list[str]


#: One line each: names, role, options of one letter (`-` where they are not read), long options.
_TABLE: Final = r"""
echo,printf,true,false,:,type,shift,break,continue,return,exit,expr,sleep,test,[,getopts,set,shopt,command,trap,read,mapfile,readarray any -
basename,dirname text azs: suffix=
tr text cCdst delete squeeze-repeats complement
date text uIRd:r: date= utc iso-8601 reference=
seq text ws:f:0123456789 equal-width
uname,hostname,nproc,pwd,popd text amnrsLP
cd,pushd read LP
cat,tac,rev,nl,fold,column,bc read AbeEnstTuvlaw: number show-all
head,tail read qvzn:c:0123456789 lines= bytes= quiet zero-terminated
wc read clmwL bytes chars lines words
sort read bcCdfghimMnrRsuVzk:t:o: output= key= field-separator= unique reverse numeric-sort
cut read szb:c:d:f: delimiter= fields= bytes= characters= complement only-delimited
paste,join,comm read siz123d:t:j: serial delimiters=
diff,cmp read abBEiNqrsuwyZU: brief unified recursive
sha1sum,sha256sum,sha512sum,md5sum,cksum read bct check quiet status ignore-missing
base64,od,strings read abcxA:n:t:w: wrap=
iconv read cf:t: from-code= to-code=
stat read Ltc: format= printf= terse
du,df read abchHkmPsSx0d:B: max-depth= summarize human-readable bytes block-size=
ls read aAdFghlLnopQrRSt1UuvX almost-all human-readable full-time sort= reverse
file,readlink,realpath read befmsz brief mime-type canonicalize relative-to=
zcat read f
rm,rmdir,unlink lose firRdpv force recursive dir verbose parents ignore-fail-on-non-empty
truncate lose cos:r: size= no-create reference=
mv write bfinTuvt:S: force no-clobber verbose backup suffix= update target-directory=
cp,install copy abdDfHinLPpRrTuvxt:m:S: archive force no-clobber recursive preserve preserve= update verbose parents target-directory= backup suffix= mode= directory
touch write acfhmd:t:r: date= no-create reference=
mkdir,mktemp write dqtupvm: directory parents mode= suffix= quiet tmpdir verbose
tee write ai append
gzip,gunzip,bzip2,bunzip2,xz,unxz,zstd write cdfkqtvz0123456789S: keep force best fast stdout decompress test suffix= rm
split,uniq copy cdDiuza:b:C:l:n:f:s:w: bytes= lines= numeric-suffixes suffix-length= count repeated
chmod then-write Rv recursive verbose
tar write cxtrzjJvpkmhOf:C: exclude= strip-components= sort= mtime= create extract list gzip xz file= directory= null remove-files no-recursion
grep,zgrep then-read abcEFHhiIlLnoPqRrsvwxz0123456789A:B:C:e:m: count extended-regexp invert-match fixed-strings ignore-case line-number line-regexp no-messages only-matching quiet recursive regexp= word-regexp max-count= include= exclude= exclude-dir= files-with-matches null
sed then-read nErsuze: quiet regexp-extended expression= null-data
awk then-read F:v: field-separator= assign=
jq then-read abceCjMnrRsS raw-output raw-input compact-output null-input exit-status slurp tab sort-keys join-output indent= ascii-output
xargs run 0rtn:I:P:L:d: null no-run-if-empty max-args= max-procs= delimiter=
timeout,nice,time run pvk:n:s: kill-after= signal=
find find -
"""

COMMANDS: Final = {
    name: Command(role, short, long)
    for names, role, short, *long in map(str.split, _TABLE.strip().splitlines())
    for name in names.split(",")
}

#: What `find` may be told; those with a word end with `=`.
FIND: Final = frozenset("-name= -iname= -path= -ipath= -regex= -type= -mtime= -mmin= -ctime= -cmin= -atime= -amin= -newermt= -size= -maxdepth= -mindepth= -perm= -printf= -newer= -empty -print -print0 -prune -not ! ( ) -a -and -o -or , -readable -writable -depth -xdev -quit -ls -delete -daystart -true -false -H -P".split())  # fmt: skip

#: Commands that people try: the rule, and what to do instead.
HINTS: Final = {
    name: (rule, hint)
    for rule, hint, names in (
        ("eval", "write the commands out", "eval source . exec builtin alias unalias enable hash"),
        ("shell", "write its commands in this script", "sh bash dash zsh ksh fish busybox script"),
        ("interpreter", "use jq, awk or sed, or a fix of type typescript or sql", "python python3 perl ruby node php lua gcc psql mysql sqlite3 vim vi ed"),
        ("network", "the box has no network; write a fix of type api_call", "curl wget nc socat telnet ssh scp sftp rsync ftp git dig host ping openssl"),
        ("privilege", "a fix runs without privileges; do this by hand", "sudo su doas pkexec chroot unshare nsenter mount umount chown chgrp setpriv capsh systemctl service reboot mkfs"),
        ("background", "a fix ends when its script ends", "disown coproc nohup setsid at crontab"),
        ("signal", "no process of the host is in the box; remove its stale file", "kill pkill killall"),
        ("environment", "the environment is empty; read params.json", "env printenv compgen whoami id ps top"),
        ("unbounded", "write a for loop over a list", "yes"),
        ("link", "the box gives back plain files only; use cp", "ln link mkfifo mknod"),
    )
    for name in names.split()
}  # fmt: skip

#: Variables that the box or bash sets, so that a script may read them without assigning them.
ENVIRONMENT: Final = frozenset("HOME PWD OLDPWD PATH LANG LC_ALL TZ IFS RANDOM SECONDS LINENO EPOCHSECONDS BASH_REMATCH BASH_SOURCE FUNCNAME PIPESTATUS REPLY MAPFILE OPTARG OPTIND HOSTNAME UID EUID".split())  # fmt: skip
#: Variables with which bash or a program is made to do something else; never assigned.
RESERVED: Final = re.compile(
    r"PATH|CDPATH|HOME|PWD|OLDPWD|TMPDIR|SHELL\w*|ENV|BASH\w*|PROMPT_\w*|PS[0-4]|LD_\w+|G[CL]\w+_\w+"
    r"|\w*IGNORE|HIST\w+|EDITOR|VISUAL|PAGER|LESS\w*|\w+_OPTIONS|GZIP|XZ_\w+|JQ_\w+|G?AWK\w*"
    r"|POSIXLY_CORRECT|FUNCNEST|E?UID|GRANTED_\w*"
)
