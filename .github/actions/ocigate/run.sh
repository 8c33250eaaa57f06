#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The steps of action.yml: run.sh install|gate|finish. Inputs come in variables INPUT_*, never
# in the text of a script. Written for bash 3.2, which macOS has.
set -euo pipefail

readonly releases=https://github.com/ocigate/ocigate/releases/download

# die MESSAGE [CODE]: ends the step without a verdict. Messages hold nothing from outside.
die() {
  echo "::error title=ocigate::$1"
  printf 'verdict=ERROR\nexit-code=%s\n' "${2:-2}" >>"$GITHUB_OUTPUT"
  exit "${2:-2}"
}

# output NAME VALUE
output() {
  case $2 in
    *$'\n'* | *$'\r'*) die "the output $1 would have more than one line" ;;
  esac
  printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"
}

# one_line NAME VALUE
one_line() {
  case $2 in
    *$'\n'* | *$'\r'*) die "the input $1 has more than one line" ;;
  esac
}

# flag NAME VALUE: true or false
flag() {
  case $2 in
    true | false) ;;
    *) die "the input $1 is neither true nor false" ;;
  esac
}

sha256() {
  if command -v sha256sum >/dev/null; then
    sha256sum <"$1" | cut -d ' ' -f 1
  else
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  fi
}

enter_working_directory() {
  one_line working-directory "$INPUT_WORKING_DIRECTORY"
  cd -- "${INPUT_WORKING_DIRECTORY:-.}" 2>/dev/null || die "the working-directory is not there"
}

# choose_platform sets platform to OS-ARCH, as the names of releases have it.
choose_platform() {
  local os arch
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) die "there is no ocigate for this operating system; give a program with the input binary" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) die "there is no ocigate for this processor; give a program with the input binary" ;;
  esac
  platform=$os-$arch
}

# download NAME SUM VERSION TO: a file counts only with the sum that stands beside this script.
download() {
  local try="$4.part"
  command -v curl >/dev/null || die "curl is not installed; install it, or give a program with the input binary" 3
  curl --proto '=https' --proto-redir '=https' --tlsv1.2 --fail --silent --show-error --location --retry 3 \
    --max-filesize 500000000 --output "$try" -- "$releases/$3/$1" || die "could not download ocigate $3; try again, or give a program with the input binary" 3
  if [ "$(sha256 "$try")" != "$2" ]; then
    rm -f -- "$try"
    die "what was downloaded is not ocigate $3: its SHA-256 is not the one in checksums.txt of this action. Do not use it, and report this" 3
  fi
  chmod 0755 "$try"
  mv -- "$try" "$4"
}

# from_release sets binary to the program that this commit of the action installs.
from_release() {
  local name version="" sum="" first second to
  choose_platform
  name=ocigate-$platform
  while read -r first second; do
    case $first in
      version) version=$second ;;
      '' | '#'*) ;;
      *) [ "$second" != "$name" ] || sum=$first ;;
    esac
  done <"$ACTION_DIR/checksums.txt"
  case $version in
    '') die "this commit of the action installs no release: its checksums.txt has no entries. Use a commit that a release names, or build ocigate and give it with the input binary" ;;
    *[!v0-9a-zA-Z.+-]*) die "checksums.txt of this action has no proper version" ;;
  esac
  case $sum in
    *[!0-9a-f]* | '') die "checksums.txt of this action has no sum for $name; give a program with the input binary" ;;
  esac
  [ ${#sum} = 64 ] || die "checksums.txt of this action has no proper sum for $name"
  [ -z "$INPUT_VERSION" ] || [ "$INPUT_VERSION" = "$version" ] ||
    die "this commit of the action installs ocigate $version and no other; pin the commit of the version that you want"
  to="$RUNNER_TEMP/ocigate-bin-$sum"
  if [ ! -f "$to/ocigate" ] || [ "$(sha256 "$to/ocigate")" != "$sum" ]; then
    mkdir -p -- "$to"
    download "$name" "$sum" "$version" "$to/ocigate"
  fi
  binary=$to/ocigate
}

absolute() {
  case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$PWD" "$1" ;;
  esac
}

install() {
  local cache restore=false
  one_line binary "$INPUT_BINARY"
  one_line version "$INPUT_VERSION"
  one_line cache-dir "$INPUT_CACHE_DIR"
  flag database-cache "$INPUT_DATABASE_CACHE"
  enter_working_directory
  if [ -n "$INPUT_BINARY" ]; then
    binary=$(absolute "$INPUT_BINARY")
    if [ ! -f "$binary" ] || [ ! -x "$binary" ]; then die "the input binary names no program"; fi
    [ -z "$INPUT_VERSION" ] || die "the inputs binary and version contradict each other"
  else
    from_release
  fi
  cache=$(absolute "${INPUT_CACHE_DIR:-$RUNNER_TEMP/ocigate-cache}")
  # A database that is there may be newer than any in the cache.
  if [ "$INPUT_DATABASE_CACHE" = true ] && [ -z "$INPUT_DB_DIR" ] && [ ! -e "$cache/db/trivy.db" ]; then
    restore=true
  fi
  output binary "$binary"
  output cache-dir "$cache"
  output restore "$restore"
  # The schemas of the two databases: another one is another key.
  output key-prefix ocigate-db-2-1-
  {
    echo "database-paths<<ocigate-paths"
    printf '%s\n' "$cache/db" "$cache/java-db"
    echo ocigate-paths
  } >>"$GITHUB_OUTPUT"
}

# database_key prints the digests of what is in the cache directory.
database_key() {
  local java=none
  [ ! -f "$CACHE_DIR/java-db/trivy-java.db" ] || java=$(sha256 "$CACHE_DIR/java-db/trivy-java.db")
  printf '%s%s-%s\n' "$KEY_PREFIX" "$(sha256 "$CACHE_DIR/db/trivy.db")" "$java"
}

# check_restored removes a database that is not the one that its key says. What travelled with
# it (where it came from, what its digest is) is only a claim: ocigate finds that out itself.
check_restored() {
  [ -n "$RESTORED_KEY" ] || return 0
  rm -f -- "$CACHE_DIR/db/ocigate.json" "$CACHE_DIR/java-db/ocigate.json"
  if [ ! -f "$CACHE_DIR/db/trivy.db" ] || [ "$(database_key)" != "$RESTORED_KEY" ]; then
    echo "::warning title=ocigate::the database in the cache is not the one that its key says, and is not used"
    rm -rf -- "$CACHE_DIR/db" "$CACHE_DIR/java-db"
    RESTORED_KEY=""
  fi
}

# state tells a database from one that has taken its place.
state() {
  ls -lin "$CACHE_DIR/db/trivy.db" "$CACHE_DIR/java-db/trivy-java.db" 2>/dev/null || true
}

# save_key says under which key the database is to be saved, if it is not there already.
save_key() {
  if [ "$KEEP" != true ] || [ ! -f "$CACHE_DIR/db/trivy.db" ]; then return 0; fi
  if [ -n "$RESTORED_KEY" ] && [ "$(state)" = "$before" ]; then return 0; fi
  output save-key "$(database_key)"
}

# single FLAG VALUE adds it to args where it is given; lines FLAG VALUE adds each line.
single() {
  one_line "$1" "$2"
  [ -z "$2" ] || args+=("--$1=$2")
}

lines() {
  local line
  while IFS= read -r line || [ -n "$line" ]; do
    line=$(trim "$line")
    [ -z "$line" ] || args+=("--$1=$line")
  done <<<"$2"
}

trim() {
  local s=$1
  s=${s#"${s%%[![:space:]]*}"}
  printf '%s' "${s%"${s##*[![:space:]]}"}"
}

switch() {
  flag "$1" "$2"
  [ "$2" = false ] || args+=("--$3")
}

# reports adds --output for each line of the input, as a file of the output directory.
reports() {
  local line format name
  while IFS= read -r line || [ -n "$line" ]; do
    line=$(trim "$line")
    [ -n "$line" ] || continue
    format=${line%%=*}
    name=${line#*=}
    case $format in
      *[!a-z-]*) die "the input output names a format that is none" ;;
    esac
    if [ "$name" = "$line" ]; then
      case $format in
        sarif) name=ocigate.sarif ;;
        html) name=ocigate.html ;;
        text) name=ocigate.txt ;;
        markdown) name=ocigate.md ;;
        junit) name=ocigate.junit.xml ;;
        json) name=ocigate.json ;;
        *) name=ocigate.$format.json ;;
      esac
    fi
    case $name in
      '' | .* | *[!A-Za-z0-9._-]*) die "the input output names a file that is none in output-dir: letters, digits, dots, dashes and underscores" ;;
    esac
    args+=("--output=$format=$directory/$name")
    written+=("$format=$name")
  done <<<"$INPUT_OUTPUT"
}

arguments() {
  args=(check --quiet --color=never "--cache-dir=$CACHE_DIR" "--output=text" "--output=outputs=$work/outputs"
    "--output=annotations=$work/annotations" "--output=markdown=$work/summary")
  written=("")
  one_line image "$INPUT_IMAGE"
  [ -n "$INPUT_IMAGE" ] || die "the input image is empty"
  single policy "$INPUT_POLICY"
  lines enforce "$INPUT_ENFORCE"
  single policy-digest "$INPUT_POLICY_DIGEST"
  lines platform "$INPUT_PLATFORM"
  single destination "$INPUT_DESTINATION"
  single base "$INPUT_BASE"
  single dockerfile "$INPUT_DOCKERFILE"
  lines bundle "$INPUT_BUNDLE"
  single forecast "$INPUT_FORECAST"
  switch fail-fast "$INPUT_FAIL_FAST" fail-fast
  single timeout "$INPUT_TIMEOUT"
  lines db-repository "$INPUT_DB_REPOSITORY"
  lines java-db-repository "$INPUT_JAVA_DB_REPOSITORY"
  single db-dir "$INPUT_DB_DIR"
  switch offline "$INPUT_OFFLINE" offline
  single ca-file "$INPUT_CA_FILE"
  lines insecure-registry "$INPUT_INSECURE_REGISTRY"
  flag fail "$INPUT_FAIL"
  [ "$INPUT_FAIL" = true ] || args+=(--report-only)
  flag summary "$INPUT_SUMMARY"
  flag annotations "$INPUT_ANNOTATIONS"
  reports
  args+=(-- "$INPUT_IMAGE")
}

# judge runs ocigate. What it prints is escaped; nothing in it would be taken for a command of
# the workflow even if it were not.
judge() {
  local token
  token=$(od -An -N 16 -t x1 /dev/urandom | tr -d ' \n')
  [ ${#token} = 32 ] || die "no random number"
  echo "::stop-commands::$token"
  code=0
  "$OCIGATE" "${args[@]}" 2>&1 || code=$?
  printf '\n::%s::\n' "$token"
}

# read_outputs takes over what ocigate says of the verdict, if it is proper, and agrees with
# the exit code. Whatever else happened is an ERROR.
read_outputs() {
  local name value verdict=""
  if [ -f "$work/outputs" ]; then
    while IFS='=' read -r name value; do
      case $value in *[!A-Za-z0-9:]*) continue ;; esac
      case $name in
        verdict) verdict=$value ;;
        digest | image-id | violations | warnings | waived | policy-digest | database-digest) output "$name" "$value" ;;
      esac
    done <"$work/outputs"
  fi
  case $code/$verdict in
    0/PASSED | 1/FAILED) ;;
    0/FAILED) [ "$INPUT_FAIL" = false ] || verdict=ERROR ;;
    *) verdict=ERROR ;;
  esac
  [ "$code/$verdict" != 0/ERROR ] || code=3
  output verdict "$verdict"
  output exit-code "$code"
}

report_paths() {
  local line
  output output-dir "$directory"
  for line in "${written[@]}"; do
    if [ -n "$line" ] && [ -f "$directory/${line#*=}" ]; then
      output "${line%%=*}" "$directory/${line#*=}"
    fi
  done
}

# annotate prints ocigate's annotations. It names files from the working directory, GitHub
# wants them from the root of the repository, and knows no others.
annotate() {
  local line root here prefix="" escaped
  [ -f "$work/annotations" ] || return 0
  root=$(cd -- "${GITHUB_WORKSPACE:-.}" && pwd -P)
  here=$(pwd -P)
  case $here/ in
    "$root/") ;;
    "$root"/*) prefix=${here#"$root"/}/ ;;
    *) prefix=none ;;
  esac
  escaped=${prefix//'%'/%25}
  escaped=${escaped//:/%3A}
  escaped=${escaped//,/%2C}
  while IFS= read -r line; do
    case $line in
      ::error\ file=* | ::warning\ file=*)
        if [ "$prefix" = none ]; then
          line="${line%% *} title=${line#*,title=}"
        else
          line="${line%%file=*}file=$escaped${line#*file=}"
        fi
        ;;
      ::error\ title=* | ::warning\ title=*) ;;
      *) continue ;;
    esac
    printf '%s\n' "$line"
  done <"$work/annotations"
}

summarize() {
  [ -n "${GITHUB_STEP_SUMMARY:-}" ] || return 0
  if [ -f "$work/summary" ]; then
    cat -- "$work/summary"
  else
    printf '## ⚠ ERROR: ocigate could not decide\n\nNothing was examined (exit code %s); the log says why.\n' "$code"
  fi >>"$GITHUB_STEP_SUMMARY"
}

# gate always ends well once ocigate has run, so that outputs are set and the database is
# kept; finish has the last word.
gate() {
  enter_working_directory
  one_line output-dir "$INPUT_OUTPUT_DIR"
  work=$(mktemp -d "$RUNNER_TEMP/ocigate-work.XXXXXX")
  if [ -n "$INPUT_OUTPUT_DIR" ]; then
    directory=$(absolute "$INPUT_OUTPUT_DIR")
    mkdir -p -- "$directory"
  else
    directory=$(mktemp -d "$RUNNER_TEMP/ocigate-reports.XXXXXX")
  fi
  arguments
  check_restored
  before=$(state)
  judge
  read_outputs
  report_paths
  [ "$INPUT_ANNOTATIONS" = false ] || annotate
  [ -f "$work/outputs" ] || echo "::error title=ocigate::nothing was examined (exit code $code); the log says why"
  [ "$INPUT_SUMMARY" = false ] || summarize
  save_key
  rm -rf -- "$work"
}

finish() {
  case $EXIT_CODE in
    0 | 1 | 2 | 3 | 130 | 143) exit "$EXIT_CODE" ;;
    *) die "ocigate did not run to its end: there is no verdict" ;;
  esac
}

case ${1:-} in
  install | gate | finish) "$1" ;;
  *) die "usage: run.sh install|gate|finish" ;;
esac
