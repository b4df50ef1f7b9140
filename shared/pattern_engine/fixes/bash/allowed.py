"""What a bash fix may be made of. What is not listed is refused.

Kept apart from the code that reads scripts: widening a list is a change of data, which a reviewer
sees as such. What each command may do with its arguments stands in `commands`.
"""

import re
from typing import Final

__all__ = [
    "DEVICES",
    "ENVIRONMENT",
    "MAX_COUNT",
    "MAX_SLEEP_SECONDS",
    "NODES",
    "READABLE",
    "RESERVED",
    "RULES",
    "SECRET_NAME",
]

#: Kinds of nodes of tree-sitter-bash. Not listed, so refused: ERROR and `$"translated"` strings.
NODES: Final = frozenset(
    """
    program comment command command_name word number string string_content raw_string ansi_c_string
    concatenation simple_expansion expansion command_substitution arithmetic_expansion
    process_substitution brace_expression variable_name special_variable_name variable_assignment
    variable_assignments subscript array declaration_command unset_command pipeline list subshell
    compound_statement negated_command test_command test_operator unary_expression
    binary_expression ternary_expression postfix_expression parenthesized_expression regex
    extglob_pattern if_statement elif_clause else_clause case_statement case_item for_statement
    c_style_for_statement while_statement do_group function_definition redirected_statement
    file_redirect file_descriptor heredoc_redirect heredoc_start heredoc_body heredoc_content
    heredoc_end herestring_redirect
    """.split()  # noqa: SIM905  words in rows are read more easily than in quotes
)

#: Commands that are refused whatever their arguments, by the rule that says why.
RULES: Final = {
    name: rule
    for rule, names in {
        "eval": "eval source . exec builtin alias unalias enable hash fc history caller",
        "shell": "sh bash dash zsh ksh mksh ash fish csh tcsh rbash busybox toybox script expect",
        "interpreter": "python python2 python3 perl ruby node nodejs deno bun php lua luajit tclsh"
        " gcc cc make go java jshell ghc psql mysql sqlite3 redis-cli mongosh vi vim ex ed emacs"
        " gdb m4",
        "network": "curl wget nc ncat netcat socat telnet ssh scp sftp rsync ftp git dig host"
        " nslookup ping openssl gpg aws gcloud az kubectl docker podman npm pip apt apt-get dpkg"
        " yum dnf apk",
        "privilege": "sudo su doas pkexec runuser setpriv chroot unshare nsenter mount umount capsh"
        " setcap chown chgrp chattr setfacl useradd usermod userdel passwd chpasswd visudo sysctl"
        " modprobe insmod rmmod systemctl service reboot shutdown halt poweroff init swapoff swapon"
        " mkfs fdisk parted losetup iptables nft ip ifconfig",
        "background": "disown coproc nohup setsid at batch crontab bg fg jobs screen tmux"
        " start-stop-daemon systemd-run inotifywait watch",
        "signal": "kill pkill killall killall5 skill fuser suspend",
        "environment": "env printenv compgen complete compopt id whoami who w last ps top lsof",
        "option": "shopt ulimit umask bind",
        "unbounded": "yes",
        "device": "mknod mkfifo",
    }.items()
    for name in names.split()
}

#: The devices that are no way out.
DEVICES: Final = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/stdin"})
#: What may be read although it is absolute.
READABLE: Final = re.compile(r"/usr/share/(?!.*(?:^|/)\.\.(?:/|$)).*")

#: Variables that are set by bash or by the box, so that a script may read them unassigned.
ENVIRONMENT: Final = frozenset(
    """
    HOME PWD OLDPWD PATH LANG LC_ALL TZ IFS RANDOM SRANDOM SECONDS LINENO EPOCHSECONDS
    EPOCHREALTIME BASH_VERSION BASH_VERSINFO BASH_REMATCH BASH_SOURCE BASH_LINENO BASHPID FUNCNAME
    PIPESTATUS REPLY MAPFILE OPTARG OPTIND HOSTNAME UID EUID PPID COPROC
    """.split()  # noqa: SIM905  as above
)
#: Variables with which bash or a program is made to do something else; never assigned.
RESERVED: Final = re.compile(
    r"PATH|CDPATH|HOME|PWD|OLDPWD|TMPDIR|SHELL|SHELLOPTS|ENV|BASH\w*|PROMPT_\w*|PS[0-4]|LD_\w+"
    r"|DYLD_\w+|GLIBC_\w+|GCONV_PATH|LOCPATH|NLSPATH|MALLOC_\w+|EXECIGNORE|GLOBIGNORE|FIGNORE"
    r"|HIST\w+|INPUTRC|MAIL\w*|EDITOR|VISUAL|PAGER|FCEDIT|LESS\w*|TAR_OPTIONS|GREP_OPTIONS|GZIP"
    r"|BZIP2?|XZ_\w+|ZSTD_\w+|JQ_\w+|AWK\w*PATH|GAWK\w*|POSIXLY_CORRECT|FUNCNEST|COMP_\w+|RSH"
    r"|PERL\w*|PYTHON\w*|RUBY\w*|NODE_\w+|GIT_\w+|UID|EUID|PPID|GROUPS|DIRSTACK|CHILD_MAX"
)
#: Variables whose names say that they hold a secret.
SECRET_NAME: Final = re.compile(
    r"(?i).*(?:PASS(?!ED)|SECRET|TOKEN|CREDENTIAL|API_?KEY|PRIVATE_?KEY|AUTH).*"
)

#: Longer sleeps than any run may take.
MAX_SLEEP_SECONDS: Final = 30
#: Numbers up to which a script may count in one go.
MAX_COUNT: Final = 100_000
