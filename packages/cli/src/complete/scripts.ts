export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** What a shell loads to complete `reprise`. It asks the command itself, so it need not be made again for a new version. */
export const completionScripts: Readonly<Record<Shell, string>> = {
  bash: `# reprise: completion for bash, by: reprise completion bash
_reprise() {
  local candidate
  COMPREPLY=()
  while IFS= read -r candidate; do
    case $candidate in
      :file) compopt -o default 2>/dev/null ;;
      :folder) compopt -o dirnames 2>/dev/null ;;
      *) COMPREPLY+=("$candidate") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __complete bash "$COMP_LINE" "$COMP_POINT" "\${COMP_WORDS[COMP_CWORD]}" 2>/dev/null)
}
complete -F _reprise reprise`,
  zsh: `#compdef reprise
# reprise: completion for zsh, by: reprise completion zsh
_reprise() {
  local line
  local -a values texts
  for line in "\${(@f)$("\${(Q)words[1]}" __complete zsh -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :file) _files; return ;;
      :folder) _files -/; return ;;
      *)
        values+=("\${line%%$'\\t'*}")
        texts+=("\${line%%$'\\t'*}  \${line#*$'\\t'}")
        ;;
    esac
  done
  (( \${#values} )) && compadd -l -d texts -a values
}
if [[ \${funcstack[1]} == _reprise ]]; then _reprise "$@"; else compdef _reprise reprise; fi`,
  fish: `# reprise: completion for fish, by: reprise completion fish
function __reprise_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (command $words[1] __complete fish -- $words[2..-1] 2>/dev/null)
    switch "$found[1]"
        case :file
            __fish_complete_path (commandline -ct)
        case :folder
            __fish_complete_directories (commandline -ct)
        case '*'
            printf '%s\\n' $found
    end
end
complete -c reprise -f -a '(__reprise_complete)'`,
}
