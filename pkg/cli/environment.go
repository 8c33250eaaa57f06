// SPDX-License-Identifier: Apache-2.0

package cli

import "strconv"

// entry is a line of a list in the manual.
type entry struct{ name, about string }

func exitCodes() []entry {
	return []entry{
		{strconv.Itoa(ExitPassed), "PASSED: every rule that the policy requires was evaluated, none failed. Of commands that judge nothing: it is done."},
		{strconv.Itoa(ExitFailed), "FAILED: at least one violation."},
		{strconv.Itoa(ExitUsage), "Usage: bad flags or a bad policy file. Nothing was examined."},
		{strconv.Itoa(ExitError), "ERROR: could not decide (pull, database, scanner, verifier, time-out, unsupported content)."},
		{strconv.Itoa(ExitInterrupted) + ", " + strconv.Itoa(ExitTerminated), "Interrupted, terminated: nothing was decided."},
	}
}

// environment lists the variables that the program reads; doc.go says the same.
func environment() []entry {
	return []entry{
		{"OCIGATE_POLICY", "The policy, where --policy is not given."},
		{"OCIGATE_ENFORCE", "Policies that stand above it, besides those of --enforce, separated by spaces."},
		{"OCIGATE_POLICY_DIGEST", "The digest that the resolved policy must have, besides --policy-digest."},
		{"OCIGATE_CACHE_DIR", "The cache directory, where --cache-dir is not given. Default: ocigate in the user's cache directory."},
		{"OCIGATE_CACHE", "The Redis that analysed layers are shared by, where --cache is not given."},
		{"OCIGATE_CACHE_PASSWORD", "Its password, where the URL has none."},
		{"OCIGATE_CACHE_KEY", "Seals the entries of the layer cache. Entries of others count only with it."},
		{"DOCKER_HOST, DOCKER_CONTEXT, DOCKER_TLS, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH", "The Docker daemon, as for docker."},
		{"DOCKER_CONFIG, REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, HOME", "Where credentials and docker contexts are looked for."},
		{"DOCKER_CLI_PLUGIN_SOCKET", "Set by docker, which ends `docker ocigate` by it."},
		{"HTTPS_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE", "How hosts are reached, and whom to trust."},
		{"SOURCE_DATE_EPOCH", "The date of the image that rebase makes, in seconds since 1970. Default: the old image's."},
		{"TMPDIR", "Where temporary files go."},
		{"GOGC, GOMEMLIMIT", "How the program uses memory, as for any Go program; without them it goes by what there is."},
		{"NO_COLOR", "Not empty: no colour, unless --color always."},
		{"CLICOLOR_FORCE, FORCE_COLOR", "Neither empty nor 0: colour also where the report goes to no terminal, unless NO_COLOR or --color say otherwise."},
		{"TERM", "dumb: a terminal without colour and without a line that changes."},
		{"CI", "Not empty: progress is one line for each phase."},
		{"AWS_*, AZURE_*, GOOGLE_*, VAULT_*, BAO_*", "For keys in a key management service that the policy names."},
	}
}
