/** Scripts for a shell's start. At each Tab they run `logfleet __complete`. */
export const completionScripts = {
  bash: `# source <(logfleet completion bash)
_logfleet() {
  local words=() word line count=0
  # Bash also splits words at ":"; this joins the parts of an address.
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if ((count > 0)) && [[ $word == :* || \${words[count - 1]} == *: ]]; then
      words[count - 1]+=$word
    else
      words[count++]=$word
    fi
  done
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files)
        compopt -o filenames 2>/dev/null
        while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "\${words[count - 1]}")
        ;;
      :*) ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <("\${COMP_WORDS[0]/#\\~/$HOME}" __complete -- "\${words[@]}" 2>/dev/null)
}
complete -F _logfleet logfleet
`,
  zsh: `#compdef logfleet
# source <(logfleet completion zsh), after compinit; or a file _logfleet in a folder of $fpath
_logfleet() {
  local line files tab=$'\\t'
  local -a candidates
  for line in "\${(@f)$(\${(Q)words[1]} __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      :files) files=1 ;;
      :* | '') ;;
      *) candidates+=("\${\${line%%$tab*}//:/\\\\:}:\${line#*$tab}") ;;
    esac
  done
  (( $#candidates )) && _describe logfleet candidates
  [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _logfleet ]]; then _logfleet "$@"; else compdef _logfleet logfleet; fi
`,
  fish: `# logfleet completion fish | source
function __logfleet_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (command $words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c logfleet -f -a '(__logfleet_complete)'
`,
} as const;
