// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/ocigate/ocigate/pkg/evidence"

// packageTypes are the values of package-type: the classes, Trivy's names of
// distributions, and Trivy's names of the language packages that it looks for in
// images, be it in files or in SBOMs.
func packageTypes() []string {
	return []string{
		string(evidence.ClassOS), string(evidence.ClassLanguage),

		"activestate", "alma", "alpine", "amazon", "azurelinux", "bottlerocket", "cbl-mariner", "centos",
		"centos-stream", "chainguard", "coreos", "debian", "echo", "fedora", "minimos", "opensuse",
		"opensuse-leap", "opensuse-tumbleweed", "oracle", "photon", "redhat", "rocky", "slem", "sles",
		"ubuntu", "wolfi",

		"bitnami", "cargo", "cocoapods", "composer", "composer-vendor", "conan", "conda-pkg", "dotnet-core",
		"gemspec", "gobinary", "hex", "jar", "julia", "kubernetes", "node-pkg", "nuget", "packages-props",
		"pub", "python-pkg", "rustbinary", "swift",
	}
}

// packageTypeHint translates names that people know from package managers, package
// URLs and lock files, which are not read in images.
func packageTypeHint(s string) string {
	switch s {
	case "apk":
		return "name the distribution: alpine, wolfi or chainguard; or os for all"
	case "deb", "dpkg":
		return "name the distribution: debian or ubuntu; or os for all"
	case "rpm":
		return "name the distribution, such as redhat, rocky or amazon; or os for all"
	case "library", "lang", "lang-pkgs":
		return didYouMean("language")
	case "os-pkgs":
		return didYouMean("os")
	case "npm", "node", "nodejs", "yarn", "pnpm", "bun", "javascript":
		return didYouMean("node-pkg")
	case "pip", "pypi", "pipenv", "poetry", "uv", "pylock", "python":
		return didYouMean("python-pkg")
	case "go", "golang", "gomod":
		return didYouMean("gobinary")
	case "maven", "pom", "gradle", "sbt", "java":
		return didYouMean("jar")
	case "gem", "bundler", "ruby":
		return didYouMean("gemspec")
	case "conda", "conda-environment":
		return didYouMean("conda-pkg")
	case "rust":
		return didYouMean("rustbinary")
	case "dotnet":
		return didYouMean("dotnet-core")
	case "php":
		return didYouMean("composer-vendor")
	default:
		return ""
	}
}
