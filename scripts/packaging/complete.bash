# Tries the completions of bash: complete.bash FILE, in a folder that holds Models/pico. FILE is the script of
# completions; without one, bash-completion must find it.
set -u
if [ -n "${1:-}" ]; then
  . "$1"
else
  . /usr/share/bash-completion/bash_completion
  _completion_loader tina
fi
failures=0

# What is offered for a line, sorted, in one line.
offered() {
  COMP_LINE=$1 COMP_POINT=${#1}
  read -ra COMP_WORDS <<<"$1"
  [[ $1 != *' ' ]] || COMP_WORDS+=('')
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _tina tina "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
  printf '%s\n' "${COMPREPLY[@]}" | sort -u | tr '\n' ' '
}

# expect LINE WORD...: each word is offered; a word behind "!" is not.
expect() {
  local line=$1 found word
  shift
  found=" $(offered "$line")"
  for word in "$@"; do
    case $word in
      !*) [[ $found != *" ${word#!} "* ]] || { echo "bash: \"$line\" offers ${word#!}:$found"; failures=1; } ;;
      *) [[ $found == *" $word "* ]] || { echo "bash: \"$line\" does not offer $word:$found"; failures=1; } ;;
    esac
  done
}

expect 'tina ' run serve train convert '!logits'
expect 'tina se' serve '!run'
expect 'tina run --ada' --adapter
expect 'tina bench --' --quick --make '!--peers'
expect 'tina run --cache-type ' f32 f16 bf16
expect 'tina quantize --type Q4' Q4_0 Q4_K_M
expect 'tina convert --to ' tina peft gguf mlx
expect 'tina merge --rounding ' nearest stochastic
expect 'tina eval --benchmark ' pico aime24 math500
expect 'tina run --adapter Models/pi' Models/pico
expect 'tina run Models/' Models/pico
expect 'tina train reci' recipe.yaml '!recipe.txt'
expect 'tina report --output x' x.html
expect 'tina serve --api-key-file k' key
exit $failures
