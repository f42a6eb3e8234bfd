#!/usr/bin/env bash
#
# image-steps.sh: take the steps of a Dockerfile without an engine and without a registry of images, and use what comes out as a cluster would.
#
#   tools/image-steps.sh [--mutants] DOCKERFILE
#
# buildah takes the steps as they are written, in chroots. The images that they begin with are made here under the Dockerfile's names for them: Debian's by mmdebstrap, without what
# bookworm-slim leaves out; Go's from that, with this machine's Go and its caches mounted. So what is proved is the Dockerfile, and neither those images nor an engine. The context is
# what git knows and would add, less what the .dockerignore beside the Dockerfile names.
#
# Of the image it is then asked that its user is a number and not root, that this user can read all of /opt/vecmill, that no library of it lacks another, that the licences of all parts
# are there; and that, on a read-only root, with the image's environment and no other, worker and backfill say their version, models compute a bundled recording and a picture by the
# system's libraries, a model of hf:// is looked for where the user may write, the command without arguments looks for its configuration, and the command of docs/backfill.md that pauses
# a run in a pod reaches its first process.
#
# ICEBERG=1 has the image built with Iceberg tables, and looks for them and their licences; without it a table of them must be refused.
# FFMPEG=1 has it built with ffmpeg, and gives it a recording as M4A; without it a worker that is to use it must not start.
#
# With --mutants it then spoils the Dockerfile in ways that a person might, and fails if one is not noticed.
#
# Needs root, for chroots and mounts, with buildah and mmdebstrap (Debian: apt-get install buildah mmdebstrap), and about 3 GB below TMPDIR; deploy/Dockerfile.cuda 20 GB.
# GO names the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${GO:=go}" "${ICEBERG:=}" "${FFMPEG:=}"

say() { printf 'image-steps: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

mutants=
[ "${1:-}" != --mutants ] || { mutants=yes; shift; }
[ $# -eq 1 ] && [ -f "$1" ] || die "usage: tools/image-steps.sh [--mutants] DOCKERFILE"
dockerfile=$1
[ "$(id -u)" -eq 0 ] || die "chroots and mounts want root"
for program in buildah mmdebstrap; do
  command -v "$program" >/dev/null || die "$program not found: install it (Debian: apt-get install $program)"
done

work=$(mktemp -d)
driver=overlay
export TMPDIR=$work/tmp
buildah() { command buildah --root "$work/storage" --runroot "$work/run" --storage-driver "$driver" "$@"; }
finish() {
  buildah umount --all >/dev/null 2>&1 || true
  # What is mounted of this machine is so in processes that have ended. Were it not, it must not be removed with the rest.
  if grep -qF " $work/" /proc/self/mountinfo; then
    die "$work is left: something is mounted in it"
  else
    rm -rf "$work"
  fi
}
trap finish EXIT
mkdir -p "$TMPDIR" "$work/context"
tried=$(buildah from scratch 2>"$work/log") && buildah mount "$tried" >/dev/null 2>>"$work/log" && buildah rm "$tried" >/dev/null || {
  say "no overlays here ($(tail -n 1 "$work/log")): layers are copies, which takes more room"
  rm -rf "$work/storage" "$work/run"
  driver=vfs
}
git ls-files -co --exclude-standard -z | tar --create --null --files-from=- | tar --extract --directory "$work/context"
version=steps-$$
gotag=$("$GO" env GOVERSION | sed -E 's/^go([0-9]+\.[0-9]+).*/\1/')-bookworm

# bases makes the images that Dockerfiles begin with. It is called where a command that fails does not end the script.
bases() {
  local path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container root
  apt-config dump | grep '^Acquire::' >"$work/apt.conf" # how this machine reaches Debian's packages
  printf 'Acquire::Retries "3";\n' >>"$work/apt.conf"
  container=$(buildah from scratch) && root=$(buildah mount "$container") || return
  mmdebstrap --quiet --variant=minbase --aptopt="$work/apt.conf" --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$root" || return
  buildah config --env "PATH=$path" --cmd bash "$container" || return
  buildah commit --quiet --rm "$container" debian:bookworm-slim || return

  container=$(buildah from --pull-never debian:bookworm-slim) || return
  buildah run --isolation chroot "$container" -- sh -euc 'apt-get update -qq; apt-get install -y -qq --no-install-recommends ca-certificates gcc libc6-dev make; rm -rf /var/lib/apt/lists/*' || return
  buildah config --env "PATH=/go/bin:/usr/local/go/bin:$path" --env GOPATH=/go --env GOTOOLCHAIN=local --env "GOPROXY=$("$GO" env GOPROXY)" \
    --env SSL_CERT_FILE=/machine.pem --env PIP_CERT=/machine.pem --workingdir /go "$container" || return
  buildah commit --quiet --rm "$container" "golang:$gotag"
}

# steps builds the Dockerfile $1 as the image $2. What the first stage has of this machine must not show in the last one, so they are built one after the other: what has been built is kept as layers.
steps() {
  local common=(build --quiet --layers --pull-never --isolation chroot --network host --ignorefile "$dockerfile.dockerignore" --file "$1" --build-arg "VERSION=$version" --build-arg "ICEBERG=$ICEBERG" --build-arg "FFMPEG=$FFMPEG")
  buildah "${common[@]}" --target build --volume "$("$GO" env GOROOT):/usr/local/go:ro" --volume "$("$GO" env GOMODCACHE):/go/pkg/mod" \
    --volume "$("$GO" env GOCACHE):/root/.cache/go-build" --volume /etc/ssl/certs/ca-certificates.crt:/machine.pem:ro "$work/context" && buildah "${common[@]}" --tag "$2" "$work/context"
}

# inside runs a command as a container of the image does that has a read-only root, and places to write at /tmp and at the cache alone.
inside() {
  unshare --mount --pid --fork bash -euc '
    root=$1 demo=$2 user=$3 cache=$4
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    for shared in dev sys; do mount --bind "/$shared" "$root/$shared"; done
    mount -t tmpfs tmpfs "$root/tmp"
    mount -t tmpfs -o "$(stat -c uid=%u,gid=%g,mode=%a "$root$cache")" tmpfs "$root$cache"
    mount --bind "$demo" "$root/mnt"
    mount -o remount,bind,ro "$root"
    exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" /usr/bin/env -i "${@:5}"
  ' inside "$root" "$PWD/internal/demo" "$user" "$cache" "${environment[@]}" "$@"
}

# says: the command given ends as $1 says (well, badly) and prints $2.
says() {
  local end=well
  inside "${@:3}" >"$work/said" 2>&1 || end=badly
  if [ "$end" = "$1" ] && { [ -z "$2" ] || grep -qF -- "$2" "$work/said"; }; then
    return
  fi
  say "${*:3} ended $end, wanted '$2' in"
  cat "$work/said" >&2
  return 1
}

config() { buildah inspect --type image --format "{{range .OCIv1.Config.$2}}{{println .}}{{end}}" "$1" | sed '/^$/d'; }

# lake is a configuration whose catalog has no tables.
lake='{catalog: {uri: "sqlite:///tmp/catalog.db", warehouse: "file:///tmp/lake"}, telemetry: {listen: ""},
  pipelines: [{name: p, model: {path: /mnt/models/vision-digits}, heads: [{task: classification}], outputs: [{parquet: {url: "file:///tmp/rows"}}], dead_letters: {url: "file:///tmp/letters"}}]}'

# look asks of the image $1 what is said above.
look() {
  local container root user cache environment entry command missing pause
  pause=$(sed -n 's/.*`kubectl exec POD -- \([^`]*\)`.*/\1/p' docs/backfill.md)
  container=$(buildah from --pull-never "$1")
  root=$(buildah mount "$container")
  user=$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' "$1")
  mapfile -t environment < <(config "$1" Env)
  mapfile -t entry < <(config "$1" Entrypoint)
  mapfile -t command < <(config "$1" Cmd)
  cache=$(printf '%s\n' "${environment[@]}" | sed -n 's/^VECMILL_CACHE=//p')

  [[ $user =~ ^[1-9][0-9]*(:[1-9][0-9]*)?$ ]] || { say "the user '$user' is not the number of one without rights"; return 1; }
  [ -d "$root$cache" ] || { say "there is no directory VECMILL_CACHE, '$cache'"; return 1; }
  says well "$version" "${entry[@]}" version || return
  says well "$version" backfill version || return
  says well '' test -w "$cache" || return
  says well '' sh -euc 'test -z "$(find /opt/vecmill ! -readable -print | tee /dev/stderr)"' || return
  # The driver is the node's, and TensorRT is not brought along (docs/models.md).
  missing=$(inside sh -c 'find /opt/vecmill -type f \( -perm -100 -o -name "*.so*" \) -exec ldd {} + 2>/dev/null || true' | sed -nE '/libcuda\.so\.1|libnvinfer|libnvonnxparser/d; s/^\s*(\S+) => not found$/\1/p' | sort -u)
  [ -z "$missing" ] || { say "libraries that are not there: $missing"; return 1; }
  says well 'THREE ONE FOUR ONE FIVE NINE' "${entry[@]}" predict --model /mnt/models/audio-ctc --option audio_libraries=require /mnt/samples/audio/speech-01.wav || return
  says well '"label"' "${entry[@]}" predict --model /mnt/models/vision-digits --option image_libraries=require /mnt/samples/image/digit-04.jpg || return
  if [ -n "$FFMPEG" ]; then
    says well 'THREE ONE FOUR ONE FIVE NINE' sh -euc 'ffmpeg -loglevel error -i /mnt/samples/audio/speech-01.wav /tmp/speech.m4a; "$@" /tmp/speech.m4a' sh "${entry[@]}" predict --model /mnt/models/audio-ctc --option audio_decoder=ffmpeg || return
  else
    says badly 'the decoder program ffmpeg is missing' "${entry[@]}" predict --model /mnt/models/audio-ctc --option audio_decoder=ffmpeg /mnt/samples/audio/speech-01.wav || return
  fi
  says badly "not in the cache $cache/" env HF_HUB_OFFLINE=1 "${entry[@]}" predict --model hf://owner/name --text once || return
  says badly /etc/vecmill/worker.yaml "${entry[@]}" "${command[@]}" || return
  says badly "$([ -n "$ICEBERG" ] && echo 'no such table' || echo 'this build has no Iceberg tables')" sh -euc 'printf "%s\n" "$0" >/tmp/plan.yaml; backfill plan --config /tmp/plan.yaml --source iceberg://ns.rows --column uri=path --try 0 --out /tmp/plan' "$lake" || return
  # env looks for a program, as kubectl exec does; the shell that waits here has a kill of its own. It is the first process.
  [ -n "$pause" ] || { say "docs/backfill.md does not say how a run in a pod is paused"; return 1; }
  says well paused sh -euc "trap 'echo paused' USR1; env $pause" || return
  licensed "$root" || return
  buildah rm "$container" >/dev/null
}

# licensed: below $1 are the licences of all parts.
licensed() {
  local at=$1/opt/vecmill package
  {
    printf 'LICENSE\nlicences.md\nlicences/models/audio-ctc/LICENSE\n'
    sed -nE '/^## Bundled/,/^## With/s/^\| (\S+\/\S+) \|.*/licences\/\1/p' docs/licences.md
    # But for modules that have none, and, without Iceberg tables, those of the second table.
    sed "$([ -n "$ICEBERG" ] || echo '/^## With Iceberg tables/,$d')" docs/licences.md | sed -nE 's/^\| (\S+) \| (v[0-9]\S*) \| ([^n]|n[^o]).*/licences\/\1@\2/p'
    printf 'licences/std@%s\n' "$("$GO" env GOVERSION)"
    if [ "${dockerfile%.cuda}" = "$dockerfile" ]; then
      printf 'licences/onnxruntime/%s\n' LICENSE ThirdPartyNotices.txt
    else
      sed -nE 's/^([a-z]\S*)==(\S+) .*/\1@\2/p' tools/ort-gpu/requirements.txt | tr - _ | sed 's/^/licences\//'
    fi
  } >"$work/licences"
  [ "$(wc -l <"$work/licences")" -gt 50 ] || { say "docs/licences.md lists too little"; return 1; }
  while read -r package; do
    [ -s "$at/$package" ] || { say "the image has no /opt/vecmill/$package"; return 1; }
  done <"$work/licences"
  for package in libsndfile1 libsoxr0 libturbojpeg0; do
    [ -s "$1/usr/share/doc/$package/copyright" ] || { say "the image has no copyright of $package"; return 1; }
  done
}

# spoiled: the Dockerfile changed by the sed command $2 is noticed, with the sentence $1.
spoiled() {
  sed -E "$2" "$dockerfile" >"$work/spoiled"
  ! cmp -s "$dockerfile" "$work/spoiled" || die "$dockerfile has nothing that $2 changes"
  if steps "$work/spoiled" spoiled >"$work/log" 2>&1 && look spoiled >"$work/log" 2>&1; then
    die "nothing was noticed of $2"
  fi
  grep -qF -- "$1" "$work/log" || { say "of $2 is said"; cat "$work/log" >&2; exit 1; }
  buildah rm --all >/dev/null
}

bases >"$work/log" 2>&1 || { cat "$work/log" >&2; die "the images to begin with could not be made"; }
say "$SECONDS s: the images that $dockerfile begins with are there"
steps "$dockerfile" made >"$work/log" 2>&1 || { cat "$work/log" >&2; die "a step of $dockerfile failed"; }
say "$SECONDS s: the steps are taken"
look made
[ -z "$mutants" ] || {
  spoiled 'no such file' 's/^COPY LICENSE /COPY LICENCE /'
  spoiled 'nknown instruction' 's/^EXPOSE/EXPOSES/'
  spoiled 'Unable to locate package' 's/ libsoxr0 / libsoxr9 /'
  spoiled 'libsndfile' 's/ libsndfile1 / /'
  spoiled 'not the number' '/^USER/d'
  spoiled 'not the number' 's/^USER .*/USER vecmill/'
  spoiled 'ermission denied' 's/^COPY --from=build /COPY --from=build --chmod=0700 /'
  spoiled 'test -w' 's/ -o 65532 -g 65532 / /'
  spoiled 'no usable ONNX Runtime library' 's/^COPY --from=build .*/&\nRUN rm -r \/opt\/vecmill\/lib/'
  spoiled 'licences/onnxruntime' 's/^COPY --from=build .*/&\nRUN rm -r \/opt\/vecmill\/licences\/onnxruntime*/'
  spoiled 'bin/worker' 's/^ENTRYPOINT .*/ENTRYPOINT ["\/opt\/vecmill\/bin\/worker"]/'
  spoiled 'backfill version' 's/^ENV PATH=\S+/ENV PATH=\/usr\/bin:\/bin/'
  spoiled "the Hub's cache directory" '/HF_HOME=/d'
  spoiled '/etc/vecmill/worker.yaml' 's/worker.yaml/worker.yml/'
}
say "$SECONDS s: $dockerfile is well"
