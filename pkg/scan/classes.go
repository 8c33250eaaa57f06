// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"path"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// The names of executables by class, versions and target triplets taken off.
var executables = map[evidence.FileClass][]string{
	evidence.ClassPackageManager: {
		"apk", "apt", "apt-get", "aptitude", "dpkg", "rpm", "yum", "dnf", "dnf5", "microdnf", "tdnf", "zypper", "pacman",
		"emerge", "opkg", "xbps-install", "nix-env", "snap", "flatpak", "pip", "pipx", "poetry", "uv", "conda", "mamba",
		"micromamba", "npm", "npx", "yarn", "yarnpkg", "pnpm", "corepack", "gem", "bundle", "bundler", "composer", "cargo",
	},
	evidence.ClassShell: {
		"sh", "bash", "rbash", "ash", "dash", "zsh", "ksh", "ksh93", "mksh", "csh", "tcsh", "fish", "busybox", "toybox", "pwsh",
	},
	evidence.ClassCompiler: {
		"gcc", "g++", "cc", "c++", "c89", "c99", "clang", "clang++", "tcc", "make", "gmake", "cmake", "ninja", "go", "gofmt",
		"rustc", "javac", "ghc", "ocamlopt", "gfortran", "nasm",
	},
}

// credentialFiles are names, or ends of paths, of files that hold credentials.
var credentialFiles = []string{
	".netrc", "_netrc", ".npmrc", ".pypirc", ".dockercfg", ".docker/config.json", ".aws/credentials", ".kube/config", "kubeconfig",
	".git-credentials", ".htpasswd", ".pgpass", ".my.cnf", ".s3cfg", ".boto", ".vault-token", ".m2/settings.xml", ".gem/credentials",
	".cargo/credentials", ".cargo/credentials.toml", ".composer/auth.json", ".config/composer/auth.json", ".config/gh/hosts.yml",
	".config/gcloud/credentials.db", ".config/gcloud/access_tokens.db", ".config/gcloud/application_default_credentials.json",
	".azure/accessTokens.json", ".azure/msal_token_cache.json", ".terraform.d/credentials.tfrc.json",
}

var privateKeyNames = []string{
	"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk", "ssh_host_rsa_key", "ssh_host_dsa_key",
	"ssh_host_ecdsa_key", "ssh_host_ed25519_key", "key.pem", "privkey.pem", "private.pem", "private_key.pem", "secring.gpg",
}

var privateKeyEnds = []string{".key", ".p12", ".pfx", ".ppk", "-key.pem", "_key.pem"}

// shipped are parts of paths of what packages bring along: fixtures and public
// material have names like private keys there.
var shipped = []string{
	"usr/share/", "usr/lib/", "usr/lib64/", "usr/include/", "/node_modules/", "/site-packages/", "/dist-packages/", "/gems/", "/testdata/",
}

// cacheDirectories are caches of package managers. A name alone is a directory in
// some home directory.
var cacheDirectories = []string{
	"var/cache/apk", "var/lib/apt/lists", "var/cache/apt", "var/cache/yum", "var/cache/dnf", "var/cache/libdnf5", "var/cache/zypp",
	"var/cache/pacman/pkg", "usr/local/share/.cache", "usr/local/cargo/registry", "go/pkg/mod/cache",
	".cache", ".npm", ".cargo/registry", ".m2/repository", ".gradle/caches", "go/pkg/mod", ".composer/cache", ".bundle/cache",
}

var versionControl = []string{".git", ".svn", ".hg", ".bzr"}

// classifier knows the well-known classes of files by path.
type classifier struct {
	executables map[string]evidence.FileClass
	credentials map[string][]string // by the last element of the path
	keys        map[string]bool
}

func newClassifier() *classifier {
	c := &classifier{executables: map[string]evidence.FileClass{}, credentials: map[string][]string{}, keys: map[string]bool{}}
	for class, names := range executables {
		for _, n := range names {
			c.executables[n] = class
		}
	}
	for _, p := range credentialFiles {
		base := path.Base(p)
		c.credentials[base] = append(c.credentials[base], p)
	}
	for _, n := range privateKeyNames {
		c.keys[n] = true
	}
	return c
}

// classes of a file other than a directory, without those of classDirectory.
func (c *classifier) classes(name string, v layerEntry) []evidence.FileClass {
	var classes []evidence.FileClass
	dir, base := path.Split(name)
	if strings.HasSuffix(dir, "bin/") && (v.kind.isLink() || v.mode&evidence.ModeExecutable != 0) {
		if class, ok := c.executable(base); ok {
			classes = append(classes, class)
		}
	}
	if v.kind != kindFile && v.kind != kindHardlink && v.kind != kindFarLink {
		return classes
	}
	if c.credential(name, base) {
		classes = append(classes, evidence.ClassCredentials)
	}
	if isDotenv(base) {
		classes = append(classes, evidence.ClassDotenv)
	}
	if c.privateKey(name, dir, base) {
		classes = append(classes, evidence.ClassPrivateKey)
	}
	slices.Sort(classes)
	return classes
}

func (c *classifier) executable(base string) (evidence.FileClass, bool) {
	if class, ok := c.executables[base]; ok {
		return class, true
	}
	// gcc-12, pip3.11, x86_64-linux-gnu-gcc-12
	base = strings.TrimRight(base, "0123456789.-")
	if _, tool, ok := strings.Cut(base, "-linux-"); ok {
		base = tool[strings.LastIndexByte(tool, '-')+1:]
	}
	class, ok := c.executables[base]
	return class, ok
}

func (c *classifier) credential(name, base string) bool {
	return slices.ContainsFunc(c.credentials[base], func(p string) bool {
		return name == p || strings.HasSuffix(name, "/"+p)
	}) && !isShipped(name)
}

func isShipped(name string) bool {
	return slices.ContainsFunc(shipped, func(p string) bool {
		return strings.HasPrefix(name, p) || p[0] == '/' && strings.Contains("/"+name, p)
	})
}

// isDotenv leaves out the templates that projects publish.
func isDotenv(base string) bool {
	if base == ".env" {
		return true
	}
	rest, ok := strings.CutPrefix(base, ".env.")
	return ok && !slices.Contains([]string{"example", "sample", "template", "dist", "defaults", "test"}, rest)
}

func (c *classifier) privateKey(name, dir, base string) bool {
	if c.keys[base] || strings.HasSuffix(dir, ".gnupg/private-keys-v1.d/") || strings.HasPrefix(name, "etc/ssl/private/") {
		return !isShipped(name)
	}
	return slices.ContainsFunc(privateKeyEnds, func(end string) bool {
		return len(base) > len(end) && strings.HasSuffix(base, end)
	}) && !isShipped(name)
}

// classDirectory is the class of a directory as a whole: what is in it is of the
// class because it is there.
func classDirectory(name string) (evidence.FileClass, bool) {
	base := name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case base == "":
	case base[0] == '.' && slices.Contains(versionControl, base):
		return evidence.ClassVersionControl, true
	case slices.Contains(cacheDirectories, name):
		return evidence.ClassCache, true
	default:
		if rest, ok := inHome(name); ok && slices.Contains(cacheDirectories, rest) {
			return evidence.ClassCache, true
		}
	}
	return "", false
}

// inHome is what follows the home directory of some user.
func inHome(name string) (string, bool) {
	if rest, ok := strings.CutPrefix(name, "root/"); ok {
		return rest, true
	}
	if rest, ok := strings.CutPrefix(name, "home/"); ok {
		_, rest, ok = strings.Cut(rest, "/")
		return rest, ok
	}
	return "", false
}
