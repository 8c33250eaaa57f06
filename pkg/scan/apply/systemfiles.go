// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// unlisted are files of distroless images, whose package database does not list its
// files. The list is Trivy's.
var unlisted = [...]string{
	"usr/lib/python2.7/argparse.egg-info",
	"usr/lib/python2.7/lib-dynload/Python-2.7.egg-info",
	"usr/lib/python2.7/wsgiref.egg-info",
}

// WithoutSystemFiles returns the applications of a layer without those packages that
// the distribution's package manager installed in the same layer: its advisories
// describe them. systemFiles are the files that it lists. Neither argument is changed;
// the result shares packages with apps. It is what Trivy's pkg/fanal/handler/sysfile does.
func WithoutSystemFiles(apps []ftypes.Application, systemFiles []string) []ftypes.Application {
	if len(apps) == 0 {
		return nil
	}
	// A distribution lists far more files than there are files of packages.
	system := make(map[string]bool, len(apps))
	for i := range apps {
		system[apps[i].FilePath] = false
		for j := range apps[i].Packages {
			system[apps[i].Packages[j].FilePath] = false
		}
	}
	// Packages without a path are nobody's file.
	mark := func(path string) {
		if _, ok := system[path]; ok && path != "" {
			system[path] = true
		}
	}
	for _, f := range systemFiles {
		mark(strings.TrimPrefix(f, "/"))
	}
	for _, f := range unlisted {
		mark(f)
	}
	var out []ftypes.Application
	for _, app := range apps {
		if system[app.FilePath] {
			continue
		}
		app.Packages = without(app.Packages, system)
		out = append(out, app)
	}
	return out
}

// without returns packages itself where nothing is to be left out.
func without(packages ftypes.Packages, system map[string]bool) ftypes.Packages {
	n := 0
	for i := range packages {
		if system[packages[i].FilePath] {
			n++
		}
	}
	switch n {
	case len(packages):
		return nil
	case 0:
		return packages
	}
	out := make(ftypes.Packages, 0, len(packages)-n)
	for i := range packages {
		if !system[packages[i].FilePath] {
			out = append(out, packages[i])
		}
	}
	return out
}
