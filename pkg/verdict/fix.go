// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// noFix is the advice where no version fixes a vulnerability.
const noFix = "no fix is known yet: waive with an end date or remove the package"

// fixText is the smallest action that removes one vulnerability.
func (s *subject) fixText(f *evidence.Finding) string {
	if f.Package == nil {
		return noFix
	}
	p := f.Package
	to := target(p.Class, p.Version, f.FixedVersion)
	if len(to) == 0 {
		return noFix
	}
	text := "upgrade " + p.Name + " " + p.Version + " → " + strings.Join(to, " or ")
	if c := command(&s.evidence, p, []string{p.Name}, to); c != "" {
		text += " (" + c + ")"
	}
	return text
}

// command is what to type to upgrade packages that are installed in the same
// way; empty where there is no such command. People paste it into a shell, and
// names and versions are an image's words, so anything else than the plainest
// characters makes no command.
func command(ev *evidence.Evidence, p *evidence.Package, names, to []string) string {
	for _, n := range names {
		if !pasteable(n) {
			return ""
		}
	}
	version := ""
	if len(to) == 1 {
		version = to[0]
	}
	if p.Class == evidence.ClassOS {
		tool := osUpgrade(ev, p)
		if tool == "" {
			return ""
		}
		for _, n := range names {
			tool += " " + osWord(tool, n, p.Version, version)
		}
		return tool
	}
	if !pasteable(version) || len(names) != 1 {
		return ""
	}
	return languageUpgrade(p.Type, names[0], version)
}

// plainest are the characters that mean themselves in every shell.
const plainest = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+:/@"

// pasteable says whether a word means itself in every shell and is no option.
func pasteable(s string) bool {
	return s != "" && s[0] != '-' && strings.Trim(s, plainest) == ""
}

// quoted makes one word for a shell of a text whose parts are pasteable.
func quoted(s string) string {
	if strings.Trim(s, plainest+"=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// osWord names a package to its manager, with the version to reach where the manager
// takes one. The others take the newest that there is.
func osWord(tool, name, from, to string) string {
	if to == "" || strings.Trim(to, plainest+"~") != "" {
		return name
	}
	switch {
	case strings.HasPrefix(tool, apkTool):
		return quoted(name + ">=" + to)
	case strings.HasPrefix(tool, aptTool) && sameNumbering(from, to):
		return quoted(name + "=" + to)
	default:
		return name
	}
}

// sameNumbering says whether two versions are numbered alike. Advisories name versions of
// source packages, and some packages built of them have a numbering of their own, in
// which that version does not exist.
func sameNumbering(a, b string) bool {
	ea, ua, _, okA := splitOS(a)
	eb, ub, _, okB := splitOS(b)
	return okA && okB && ea == eb && ua != "" && ub != "" && isDigit(ua[0]) && isDigit(ub[0]) && firstRun(ua) == firstRun(ub)
}

func firstRun(s string) string {
	head, _ := run(s)
	return head
}

const (
	apkTool = "apk add --no-cache --upgrade"
	aptTool = "apt-get install -y --only-upgrade"
)

// OSTools are the beginnings of the commands that upgrade several packages at once.
func OSTools() []string {
	return []string{apkTool, aptTool, "dnf update -y", "microdnf update -y", "yum update -y", "tdnf update -y", "zypper update -y"}
}

func osUpgrade(ev *evidence.Evidence, p *evidence.Package) string {
	family := p.Type
	if family == "" {
		family = ev.Coverage.OS.Family
	}
	switch family {
	case "alpine", "wolfi", "chainguard", "minimos", "apk":
		return apkTool
	case "debian", "ubuntu", "echo", "dpkg", "deb":
		return aptTool
	case "photon", "azurelinux", "cbl-mariner":
		return "tdnf update -y"
	case "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles", "slem":
		return "zypper update -y"
	case "redhat", "centos", "centos-stream", "alma", "rocky", "oracle", "amazon", "fedora", "coreos", "rpm":
		return rpmUpgrade(ev, family)
	default:
		return ""
	}
}

// rpmUpgrade names the tool that the image has; if it has none of them, the one
// that its release came with.
func rpmUpgrade(ev *evidence.Evidence, family string) string {
	has := map[string]bool{}
	for _, p := range ev.Packages {
		if p.Class == evidence.ClassOS {
			has[p.Name] = true
		}
	}
	for _, tool := range [...]string{"dnf", "microdnf", "yum"} {
		if has[tool] {
			return tool + " update -y"
		}
	}
	switch family {
	case "redhat", "centos", "oracle", "amazon":
		if major, _, _ := strings.Cut(ev.Coverage.OS.Release, "."); len(major) == 1 && major < "8" {
			return "yum update -y"
		}
	}
	return "dnf update -y"
}

func languageUpgrade(kind, name, to string) string {
	switch kind {
	case "npm", "node-pkg", "javascript":
		return "npm install " + quoted(name+"@^"+to)
	case "yarn":
		return fmt.Sprintf("yarn upgrade %s@%s", name, to)
	case "pnpm":
		return fmt.Sprintf("pnpm update %s@%s", name, to)
	case "bun":
		return fmt.Sprintf("bun add %s@%s", name, to)
	case "pip", "pipenv", "python-pkg", "pylock", "conda-pkg", "conda-environment":
		return fmt.Sprintf("pip install %s==%s", name, to)
	case "poetry":
		return fmt.Sprintf("poetry add %s@%s", name, to)
	case "uv":
		return fmt.Sprintf("uv lock --upgrade-package %s==%s", name, to)
	case "gobinary", "gomod":
		if name == "stdlib" || name == "toolchain" {
			return "rebuild with Go " + strings.TrimPrefix(to, "v")
		}
		return fmt.Sprintf("go get %s@v%s", name, strings.TrimPrefix(to, "v"))
	case "jar", "pom":
		return fmt.Sprintf("mvn versions:use-dep-version -Dincludes=%s -DdepVersion=%s", name, to)
	case "gradle":
		return fmt.Sprintf("set %s:%s in build.gradle", name, to)
	case "sbt":
		return fmt.Sprintf("set %s:%s in build.sbt", name, to)
	case "cargo", "rustbinary":
		return fmt.Sprintf("cargo update -p %s --precise %s", name, to)
	case "bundler", "gemspec":
		return fmt.Sprintf("bundle update %s", name)
	case "composer", "composer-vendor":
		return "composer require " + quoted(name+":^"+strings.TrimPrefix(to, "v"))
	case "nuget", "dotnet-core", "packages-props":
		return fmt.Sprintf("dotnet add package %s --version %s", name, to)
	default:
		return ""
	}
}
