# SPDX-License-Identifier: MIT
# Completes the command line of rebound in bash; after `rebound run [OPTION...]`, `rebound doctor [OPTION...]` and
# `rebound wait TARGET... --` the program's own completion takes over.

# From the table of policy keys.
# begin words of [rebound]
rebound_log_words="off stderr"
# end words of [rebound]
# begin keys of a section
rebound_keys="intercept retry.attempts retry.backoff retry.base retry.multiplier retry.cap retry.jitter retry.on retry.methods retry.rejected retry.idempotency_headers retry.after retry.after_max retry.after_over retry.resume start.wait http.hold http.async http.tls_reconnect http.path timeout.connect timeout.attempt timeout.total connect.nonblocking connect.failover dns.total dns.stale socket.keepalive socket.user_timeout breaker breaker.scope breaker.window breaker.min_calls breaker.failure_rate breaker.slow_call breaker.slow_rate breaker.open breaker.open_multiplier breaker.open_max breaker.refuse breaker.probes breaker.probe_lease breaker.quorum budget.ratio budget.floor"
# end keys of a section

rebound_builtins="builtin:default builtin:api builtin:patient"

rebound_commands="run wait check explain doctor status top events metrics breaker policy reset help"

_rebound_options()
{
    case $1 in
    run) echo "--policy --set --log --summary --wait --wait-timeout --help" ;;
    wait) echo "--timeout --json --help" ;;
    check) echo "--set --strict --json --help" ;;
    explain) echo "--policy --method --set --json --help" ;;
    doctor) echo "--policy --json --help" ;;
    status) echo "--state --user --all --json --help" ;;
    top) echo "--state --user --interval --once --help" ;;
    events) echo "--state --user --follow --lines --json --help" ;;
    metrics) echo "--state --user --textfile --listen --help" ;;
    breaker | policy | reset) echo "--state --user --help" ;;
    esac
}

# Prints the index of the program's name after these, or nothing where the cursor is before it. Bash makes words of their
# own of ':' and '=' in a value.
_rebound_program()
{
    local i
    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --policy | --log | --set | --wait | --wait-timeout)
            ((i++))
            while [[ ${COMP_WORDS[i + 1]-} =~ ^[:=]+$ ]]; do ((i += 2)); done ;;
        --) ((i + 1 < COMP_CWORD)) && echo $((i + 1)); return ;;
        -*) ;;
        *) [[ ${COMP_WORDS[1]} == wait ]] || { echo "$i"; return; } ;;
        esac
    done
}

# The program's own completion, where bash-completion is loaded.
_rebound_hand_over()
{
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    else
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    fi
}

_rebound_value()
{
    local word=$2
    case $1 in
    --policy) mapfile -t COMPREPLY < <(compgen -W "$rebound_builtins" -f -- "$word") ;;
    --set)
        compopt -o nospace 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -S = -W "$rebound_keys" -- "$word") ;;
    --state | --textfile) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    --user) mapfile -t COMPREPLY < <(compgen -u -- "$word") ;;
    --log) mapfile -t COMPREPLY < <(compgen -W "$rebound_log_words" -f -- "$word") ;;
    --wait) _rebound_target "$word" ;;
    --method) mapfile -t COMPREPLY < <(compgen -W "GET HEAD OPTIONS POST PUT PATCH DELETE" -- "$word") ;;
    *) return 1 ;;
    esac
}

# Completes a target of `rebound wait`, or the command after `--`.
_rebound_target()
{
    if [[ ${COMP_WORDS[COMP_CWORD - 1]} == -- ]]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$1")
    else
        mapfile -t COMPREPLY < <(compgen -W "http:// unix:" -A hostname -- "$1")
    fi
}

# Completes one of the names on stdin, which the state knows. They come from outside: `compgen -W` would expand $(...) in
# them. Names with characters that mean something to the shell are left out.
_rebound_names()
{
    local name plain='^[][:alnum:]_./:@%+[-]+$'
    while IFS= read -r name; do
        [[ $name == "$1"* && $name =~ $plain ]] && COMPREPLY+=("$name")
    done
}

# What to do, then with which policy: those that the state knows.
_rebound_policy()
{
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    off | on)
        _rebound_names "$1" < <(rebound metrics 2>/dev/null |
            sed -n 's/^rebound_attempts_total{policy="\([^"]*\)"}.*/\1/p') ;;
    *) mapfile -t COMPREPLY < <(compgen -W "off on" -- "$1") ;;
    esac
}

# What to do, then with which host: those that the state knows.
_rebound_breaker()
{
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    open | close | reset)
        _rebound_names "$1" < <(rebound metrics 2>/dev/null |
            sed -n 's/^rebound_breaker_state.*,host="\([^"*]*\)",state="open".*/\1/p') ;;
    *) mapfile -t COMPREPLY < <(compgen -W "open close reset" -- "$1") ;;
    esac
}

_rebound_word()
{
    local command=$1 word=$2
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_rebound_options "$command")" -- "$word")
        return
    fi
    case $command in
    run | doctor) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
    check) mapfile -t COMPREPLY < <(compgen -W "$rebound_builtins" -f -- "$word") ;;
    explain) mapfile -t COMPREPLY < <(compgen -A hostname -- "$word") ;;
    wait) _rebound_target "$word" ;;
    breaker) _rebound_breaker "$word" ;;
    policy) _rebound_policy "$word" ;;
    help) mapfile -t COMPREPLY < <(compgen -W "$rebound_commands" -- "$word") ;;
    esac
}

_rebound()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} program
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$rebound_commands --help --version" -- "$word")
        return
    fi
    if [[ $word == : && $previous == builtin ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${rebound_builtins//builtin:/}")
        return
    fi
    if [[ $previous == : && ${COMP_WORDS[COMP_CWORD - 2]} == builtin ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${rebound_builtins//builtin:/}" -- "$word")
        return
    fi
    if [[ ${COMP_WORDS[1]} == run || ${COMP_WORDS[1]} == doctor || ${COMP_WORDS[1]} == wait ]]; then
        program=$(_rebound_program)
        if [[ $program ]]; then
            _rebound_hand_over "$program"
            return
        fi
    fi
    _rebound_value "$previous" "$word" || _rebound_word "${COMP_WORDS[1]}" "$word"
}

complete -o filenames -F _rebound rebound
