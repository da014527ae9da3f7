"""Completion in bash, zsh and fish: the script of each, and what it says to kfrun and is answered.

A script gives the command line up to the cursor, in ``_KFRUN_COMPLETE``, and gets a line an item: its type, the text,
and what it is, with tabs between. Of type ``manifest`` or ``file`` there is one at most: the shell itself knows its
files best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from click.shell_completion import ShellComplete, split_arg_string

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

SCRIPTS: dict[str, str] = {
    "bash": r"""_kfrun() {
    local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT} cur=${COMP_WORDS[COMP_CWORD]} item type value
    local word=${line##*[[:space:]]}
    # What is before the last = or : of the word stays: bash completes what comes behind.
    [[ $word == --*=* ]] && word=${word#--*=}
    local before=${word%"${word##*[=:]}"}
    [[ $cur == [=:] ]] && cur=
    COMPREPLY=()
    while read -r item; do
        type=${item%%$'\t'*} value=${item#*$'\t'} value=${value%%$'\t'*}
        case $type in
            manifest)
                compopt -o filenames 2> /dev/null
                COMPREPLY=($(compgen -d -- "$cur"))
                for type in yaml yml json j2; do COMPREPLY+=($(compgen -f -X "!*.$type" -- "$cur")); done
                (( ${#COMPREPLY[@]} )) || compopt -o default 2> /dev/null
                ;;
            file) compopt -o default 2> /dev/null ;;
            *)
                [[ $value == *= ]] && compopt -o nospace 2> /dev/null
                COMPREPLY+=("${value#"$before"}")
                ;;
        esac
    done < <(_KFRUN_COMPLETE=$line "$1" 2> /dev/null)
}
complete -o nosort -F _kfrun kfrun 2> /dev/null || complete -F _kfrun kfrun
""",
    "zsh": r"""#compdef kfrun
_kfrun() {
    local item before
    local -a fields plain described open
    [[ $PREFIX == --*=* ]] && before=${PREFIX%%=*}=
    for item in "${(@f)$(_KFRUN_COMPLETE="${(j: :)words[1,CURRENT-1]} $PREFIX" "${words[1]}" 2> /dev/null)}"; do
        fields=("${(@s:	:)item}")
        case $fields[1] in
            manifest) compset -P '--[a-z-]*='; _files -g '*.(yaml|yml|json|j2)(-.)' ;;
            file) compset -P '--[a-z-]*='; _files ;;
            plain)
                if [[ $fields[2] == *= ]]; then open+=("$before$fields[2]")
                elif [[ -n $fields[3] ]]; then described+=("${${:-$before$fields[2]}//:/\\:}:$fields[3]")
                else plain+=("$before$fields[2]"); fi
                ;;
        esac
    done
    (( $#described )) && _describe -V kfrun described
    (( $#plain )) && compadd -V kfrun -a plain
    (( $#open )) && compadd -S '' -V kfrun -a open
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _kfrun "$@"; else compdef _kfrun kfrun; fi
""",
    "fish": r"""function __kfrun_complete
    set -l before (string match -r -- '^--[a-z-]+=' (commandline -ct))
    for item in (_KFRUN_COMPLETE=(commandline -cp | string collect) command kfrun 2> /dev/null)
        set -l fields (string split \t -- $item)
        switch $fields[1]
            case manifest
                set -l files (__fish_complete_path (string replace -- "$before" '' (commandline -ct)))
                set -l manifests (string match -r -- '^.*(?:\\.(?:yaml|yml|json|j2)|/)(?:\\t.*)?$' $files)
                set -q manifests[1]; or set manifests $files
                string replace -r -- '^' "$before" $manifests
            case file
                set -l files (__fish_complete_path (string replace -- "$before" '' (commandline -ct)))
                string replace -r -- '^' "$before" $files
            case '*'
                string join \t -- "$before$fields[2]" $fields[3]
        end
    end
end
complete -e -c kfrun
complete -k -f -c kfrun -a '(__kfrun_complete)'
""",
}
"""Shell -> its script."""


def answer(cli: click.Command, line: str) -> str:
    """What may come behind the command line that was typed so far, for a script of `SCRIPTS`."""
    return _TypedLine(cli, line).complete()


class _TypedLine(ShellComplete):
    """A command line up to the cursor."""

    def __init__(self, cli: click.Command, line: str) -> None:
        super().__init__(cli, {}, "kfrun", "_KFRUN_COMPLETE")
        self._text = line

    def get_completion_args(self) -> tuple[list[str], str]:
        """The finished words behind the program's name, and the one that is being written."""
        words = split_arg_string(self._text)
        is_new = not words or (self._text[-1:].isspace() and not self._text[:-1].endswith("\\"))
        self.ctx_args["obj"] = words
        return (words[1:], "") if is_new else (words[1:-1], words[-1])

    def format_completion(self, item: CompletionItem) -> str:
        """One item, on one line."""
        fields: list[Any] = [item.type, item.value, item.help or ""]
        return "\t".join(" ".join(str(field).split()) if field else "" for field in fields).rstrip("\t")
