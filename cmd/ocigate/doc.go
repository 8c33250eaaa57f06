// SPDX-License-Identifier: Apache-2.0

/*
Ocigate is the step between `docker build` and `docker push`: it looks at the
image that was just built, weighs it against one policy file, and answers pass,
fail or cannot decide before anything is pushed.

Usage:

	ocigate check IMAGE --policy FILE [flags]
	ocigate verify IMAGE --policy FILE [flags]
	ocigate rebase IMAGE NEWBASE --output-image DEST --policy FILE [flags]
	ocigate explain ID --verdict FILE
	ocigate init [DIR]
	ocigate policy init|lint|schema|explain|test|push|pull
	ocigate waiver add|import
	ocigate cache info|clean
	ocigate completion bash|zsh|fish|powershell
	ocigate version

The same binary under the name docker-ocigate, in ~/.docker/cli-plugins, is
`docker ocigate …`, with docker's own hosts and contexts.

Each command explains itself with --help.

# Images

An image is named with its transport, in the spelling of skopeo and podman:

	registry:REF          a registry; credentials from the Docker configuration and
	                      its helpers, and from ECR, GCR and ACR logins
	docker-daemon:REF     the Docker daemon, or Podman's socket (DOCKER_HOST, contexts)
	docker-archive:PATH   what `docker save` writes, plain or .gz; add :TAG to choose
	oci:DIR               an OCI layout; add :TAG or @DIGEST to choose
	oci-archive:PATH      a tar of one: `docker buildx build -o type=oci`

A path to an existing file or directory is recognised by its content. A bare
reference is the daemon's image. Where a daemon answers without it, the exit code
is 3: a build that loaded nothing must not have its previous push judged. Only
where no daemon is configured is a bare reference the registry's.

# Policies

The policy is given by --policy, else by OCIGATE_POLICY, else it is ocigate.yaml in
the working directory; without any, the exit code is 2. It is a file, a policy that
is shipped in the binary (ocigate:baseline, ocigate:strict, ocigate:cis-docker,
ocigate:runtime-hardened), or an artifact in a registry, by digest:
oci://REPOSITORY@sha256:DIGEST.

Policies that stand above it are given by --enforce, repeatable, and OCIGATE_ENFORCE,
separated by spaces. The policy can tighten what they demand, key by key, and adds
rules of its own; whatever would loosen them is a mistake. Waivers and VEX documents
count against an enforced rule only where its own document names them.

The language is described by `ocigate policy schema`; README.md has an overview, and
the shipped policies are commented. Files that a policy names lie beneath its own
directory.

What rules need and the image does not say is given by flags: --base and --dockerfile
(what it is built on), --destination (where it is pushed to), --baseline (what its
growth is measured against), --first-seen (since when findings are known).

# Signatures

Rules of the groups signatures, attestations and base say who must have signed the
image or its base. check decides by them beside the scan; --fail-fast ends the run before
a layer is pulled if they fail. verify decides by them alone, without layers and database:
its verdict has the scope "signatures" and is no permission to push.

Signatures are looked for in the image's repository or layout, in every format that
cosign writes; --bundle adds detached sigstore bundles, about the image's digest or about
the archive that holds it. Trusted roots that the policy has from TUF are kept in the
cache directory for a day; --offline fetches none, and asks no key management service.

# What to do

A report that says FAILED ends with what to do, smallest action first: build again on
the same base, a newer tag of it, package upgrades by layer, or a waiver where nothing is
fixed yet. If the base is proven, and --base or the policy names it, its registry is asked
for newer tags; at most three are scanned with the same database. That changes no verdict;
--no-fix-lookup and --offline leave it out. --output fixes=FILE writes the plan for programs.

rebase puts the layers that IMAGE adds to its base on NEWBASE's, writes the new image to
--output-image (oci:DIR, oci-archive:FILE, docker-archive:FILE) and judges it as check does.
It refuses what cannot be told from the layers alone: see README.md.

# The database

It is fetched while layers are read. --db-repository names mirrors, --offline uses what is
there, --db-dir DIR what another tool fetched. --db-downloads DIR keeps databases as they
were downloaded; one found there counts only with the digest that its repository names.

# Time

All dates are judged by one effective time, the clock's unless --effective-time says
otherwise; a past one needs --allow-past, and the verdict says that a time was given.
--forecast 14d also decides for each day to come, with the database of now, and reports
what turns red: waivers and grace periods that end, rules that begin, ages, and the end
of life of the distribution.

# Exit codes

They are the same for every output format:

	0    PASSED: every rule that the policy requires was evaluated, none failed
	1    FAILED: at least one violation
	2    usage: bad flags or a bad policy file; nothing was examined
	3    ERROR: could not decide
	130  interrupted (143: terminated)

If some rules failed and others could not be decided, the code is 1 and the report
says both. --report-only turns 1 into 0; 3 stays.

# Output

The report goes to standard output, progress and errors to standard error.
--output FORMAT selects the format; --output FORMAT=PATH, repeatable, writes it to a
file. The formats are text; json, the whole verdict; evidence, what was found without a
decision, for custom rules and policy test; sarif, junit, gitlab (container scanning),
codequality and markdown, for CI systems; html, a page for people; cyclonedx and spdx,
what is in the image; vex, what waivers and VEX documents say about it; runtime, the least privileges that a
container needs, as docker flags and as a Kubernetes securityContext; fixes, the plan of
what to do; annotations and outputs, for steps of GitHub Actions; and first-seen, the
updated copy of --first-seen. Named files are removed at the start and written at the end,
so a crash never leaves yesterday's verdict. Two runs on the same input write the
same bytes.

# Environment

	OCIGATE_POLICY      the policy, where --policy is not given
	OCIGATE_ENFORCE     policies that stand above it, besides those of --enforce
	OCIGATE_POLICY_DIGEST
	                    the digest that the resolved policy must have, besides
	                    --policy-digest
	OCIGATE_CACHE_DIR   the cache directory, where --cache-dir is not given;
	                    default: ocigate in the user's cache directory
	OCIGATE_CACHE       the Redis that analysed layers are shared by, where --cache is
	                    not given; OCIGATE_CACHE_PASSWORD, where its URL has none
	OCIGATE_CACHE_KEY   seals the entries of the layer cache: see README.md
	SOURCE_DATE_EPOCH   date of the image that rebase makes; default: the old image's

DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, DOCKER_CERT_PATH, DOCKER_TLS_VERIFY,
HTTPS_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE, TMPDIR, NO_COLOR, FORCE_COLOR,
CLICOLOR_FORCE, TERM and CI mean what they mean elsewhere; GOGC and GOMEMLIMIT tune the
garbage collector, which else takes up to 60 % of the memory there is. A policy can name a variable that holds a public key, and
keys in a key management service are fetched with the variables of its provider
(AWS_*, AZURE_*, GOOGLE_*, VAULT_*). No other variable changes a verdict.
*/
package main
