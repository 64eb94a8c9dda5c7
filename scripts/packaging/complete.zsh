# Tries the completions of zsh: complete.zsh FOLDER, in a folder that holds Models/pico; FOLDER holds _tina. A zsh
# within a pseudo-terminal lists what it offers.
zmodload zsh/zpty
integer failures=0
folder=${1:-}
setup="${folder:+fpath=(${(q)folder} \$fpath); }autoload -Uz compinit; compinit -u -D; PS1=; unset zle_bracketed_paste"
setup+="; zstyle ':completion:*' verbose no; zstyle ':completion:*' list-colors; LISTMAX=1000; setopt no_list_ambiguous"
setup+="; bindkey '^I' list-choices; stty rows 200 columns 100; print READY"

# What a zsh with the completions shows for a line.
offered() {
  local chunk text=
  zpty -b shell zsh -f
  zpty -w shell $setup
  for ((i = 0; i < 100; i++)); do
    while zpty -r -t shell chunk; do text+=$chunk; done
    [[ $text == *$'\n'READY* ]] && break
    sleep 0.05
  done
  text=
  zpty -w -n shell "$1"$'\t'
  for ((i = 0; i < 40; i++)); do
    if zpty -r -t shell chunk; then text+=$chunk; i=20; else sleep 0.05; fi
  done
  zpty -d shell
  text=${text##*READY}
  print -r -- ${${text//$'\e'\[[0-9;?]#[a-zA-Z]/ }//[$'\r\n']/ }
}

expect() {
  local found word
  found=" $(offered $1) "
  for word in ${@:2}; do
    [[ $found == *[[:space:]]${word}[[:space:]/]* ]] || { print -r "zsh: \"$1\" does not offer $word: $found"; failures=1 }
  done
}

setopt extended_glob
expect 'tina ' run serve train convert
expect 'tina run --ada' --adapter
expect 'tina run --cache-type ' f32 f16 bf16
expect 'tina quantize --type Q4' Q4_0 Q4_K_M
expect 'tina run --adapter Models/' pico
expect 'tina train reci' recipe.yaml
exit $failures
