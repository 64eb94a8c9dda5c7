# Sourced by scripts/package and scripts/install, after lib.sh: builds the program that is handed out, and lays out
# what belongs to it as below a prefix.

# What every system has: the C library's parts and the two runtimes of gcc. Other libraries travel with the program.
system_libraries='linux-vdso|ld-linux[-a-z0-9]*|lib(c|m|dl|rt|pthread|util|stdc\+\+|gcc_s)'
# What Debian has had under the same name for years, so that the .deb need not hold it.
debian_libraries='lib(openblas|gfortran|quadmath|gmp|mpfr|edit|bsd|md|tinfo)'
# Linked into the program: their shared forms differ between systems, or would meet libcurl's own.
static_libraries=(zstd crypto re2)

tina_version() { sed -n 's/.*tinaVersion = "\(.*\)"/\1/p' Sources/Support/Version.swift; }

# The commit, with "+changed" where the checkout differs from it; nothing outside of git.
tina_commit() {
  local commit
  commit=$(git rev-parse HEAD 2>/dev/null) || return 0
  [ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] || commit+=+changed
  printf '%s' "$commit"
}

# Builds the program with the Swift runtime inside; it looks for its libraries in ../lib/tina. Prints its path.
build_program() {
  local folder=$PWD/.build/package/static name archive
  install_packages binutils python3
  rm -rf "$folder" && mkdir -p "$folder"
  for name in "${static_libraries[@]}"; do
    archive=$(gcc -print-file-name="lib$name.a")
    [ -e "$archive" ] || fail "there is no lib$name.a for gcc" "It comes with the development package of $name."
    ln -s "$archive" "$folder/"
    # The folder must stand before the system's: only where SwiftPM takes a path from pkg-config does it.
    printf '%s\n' "Name: lib$name" 'Description: linked statically' 'Version: 1' "Libs: -L$folder -l$name" \
      >"$folder/lib$name.pc"
  done
  [ -n "${TINA_COMMIT:-}" ] || TINA_COMMIT=$(tina_commit)
  export TINA_COMMIT
  # RPATH instead of RUNPATH, because the libraries in ../lib/tina find each other by it too.
  local arguments=(-c release --product tina --static-swift-stdlib --disable-local-rpath -Xswiftc -use-ld=lld
    --pkg-config-path "$folder" -Xlinker --disable-new-dtags -Xlinker -rpath -Xlinker "\$ORIGIN/../lib/tina")
  swift build "${arguments[@]}" >&2
  if ldd "$(swift build "${arguments[@]}" --show-bin-path)/tina" | grep -Eq "lib($(IFS='|' && printf '%s' \
    "${static_libraries[*]}"))\.so"; then
    fail "the program is linked with shared libraries that should be inside: ${static_libraries[*]}"
  fi
  printf '%s/tina' "$(swift build "${arguments[@]}" --show-bin-path)"
}

# The shared libraries that a program needs beyond the system's, as lines "NAME PATH". Line editing is opened at its
# first use, if it is there.
needed_libraries() {
  local lines edit
  lines=$(ldd "$1")
  if grep -q 'not found' <<<"$lines"; then fail "$1 lacks libraries here:" "$(grep 'not found' <<<"$lines")"; fi
  if [ -d Sources/CEdit ]; then
    edit=$(ldconfig -p | sed -n 's/.*libedit\.so\.2 .*=> //p' | head -n 1)
    [ -n "$edit" ] || fail "there is no libedit.so.2 here" "It is what edits lines in a conversation: install libedit2."
    lines+=$'\n'"libedit.so.2 => $edit"$'\n'$(ldd "$edit")
  fi
  awk '$2 == "=>" { print $1, $3 }' <<<"$lines" | grep -Ev "^($system_libraries)\.so" | sort -u || true
}

# The Debian package that a file comes from. Packages may name it as it was before /lib was a link to /usr/lib.
debian_package() {
  local path
  path=$(readlink -f "$1")
  { dpkg -S "$path" 2>/dev/null || dpkg -S "${path#/usr}" 2>/dev/null || true; } | sed -n '1s/:.*//p'
}

# The Debian packages of the libraries that the .deb leaves out, as it names what it depends on.
debian_packages() {
  local name path
  needed_libraries "$1" | while read -r name path; do
    if grep -Eq "^$debian_libraries\.so" <<<"$name"; then debian_package "$path"; fi
  done | sort -u | sed 's/^libopenblas.*/& | libopenblas0/' | paste -sd, | sed 's/,/, /g'
}

# The licence texts of everything that is inside the program or beside it, and a list of what that is.
stage_licences() {
  local program=$1 folder=$2 name path package seen=" " list toolchain
  toolchain=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")
  mkdir -p "$folder"
  list=$folder/CONTENTS
  cp LICENSE "$folder/tina"
  printf '%s\n' "tina $(tina_version): Apache-2.0" \
    "Swift runtime, inside the program: Apache-2.0 with Runtime Library Exception" >"$list"
  cp "$toolchain/share/swift/LICENSE.txt" "$folder/swift"
  while IFS= read -r path; do
    name=${path#.build/checkouts/}
    name=${name//\//_}
    cp "$path" "$folder/${name%.*}"
    printf '%s, inside the program\n' "${name%.*}" >>"$list"
  done < <(find .build/checkouts \( -iname 'LICENSE' -o -iname 'LICENSE.*' -o -iname 'NOTICE.txt' \) | sort)
  printf '%s\n' "" "Debian's packages of free software, with their versions. The program is linked anew with other" \
    "versions by scripts/package of Tina's sources; the sources of these are Debian's:" >>"$list"
  while read -r name path; do
    [[ $path != "$toolchain"/* ]] || continue # The runtime, beside a debug build.
    package=$(debian_package "$path")
    [ -n "$package" ] || fail "dpkg knows no package of $path" "The licence texts come from Debian's packages."
    case $seen in *" $package "*) continue ;; esac
    seen+="$package "
    cp "/usr/share/doc/$package/copyright" "$folder/$package"
    dpkg-query -W -f "$name: \${source:Package} \${source:Version}\n" "$package" >>"$list"
  done < <(
    needed_libraries "$program"
    for name in "${static_libraries[@]}"; do printf 'lib%s.a %s\n' "$name" "$(gcc -print-file-name="lib$name.a")"; done
    # Swift's Foundation holds ICU.
    find /usr/lib -name 'libicuuc.so.*' -printf 'icu %p\n' | sort | head -n 1
  )
  cp /usr/share/common-licenses/{Apache-2.0,GPL-2,GPL-3,LGPL-2.1,LGPL-3} "$folder"
}

# Lays out a prefix: program, libraries, Pico, manual, completions, unit, licences. With "shared", the libraries that
# Debian has are left out.
stage() {
  local program=$1 folder=$2 kind=${3:-whole} name path
  rm -rf "$folder"
  mkdir -p "$folder"/{bin,lib/tina,lib/systemd/system,share/man/man1,share/doc/tina,share/tina/Models} \
    "$folder"/share/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d}
  install -m 755 "$program" "$folder/bin/tina"
  strip "$folder/bin/tina"
  while read -r name path; do
    if [ "$kind" = shared ] && grep -Eq "^$debian_libraries\.so" <<<"$name"; then continue; fi
    install -m 644 "$path" "$folder/lib/tina/$name"
  done < <(needed_libraries "$program")
  cp -r Models/pico "$folder/share/tina/Models"
  cp -r Recipes "$folder/share/tina"
  scripts/packaging/manual.py "$program" "$folder/share/man/man1"
  gzip -9n "$folder"/share/man/man1/*
  # Where nothing is offered, bash offers files, as after the name in `--adapter NAME=`.
  "$program" --generate-completion-script bash | sed 's/^complete -o filenames/& -o default/' \
    >"$folder/share/bash-completion/completions/tina"
  "$program" --generate-completion-script zsh >"$folder/share/zsh/site-functions/_tina"
  "$program" --generate-completion-script fish >"$folder/share/fish/vendor_completions.d/tina.fish"
  cp scripts/packaging/tina.service "$folder/lib/systemd/system"
  stage_licences "$program" "$folder/share/doc/tina/licences"
  find "$folder" -type d -exec chmod 755 {} +
  find "$folder" -type f ! -path '*/bin/*' -exec chmod 644 {} +
}
