// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"
)

// release is one release of the shop.
type release struct {
	version string
	created time.Time
	// user is the USER of the image.
	user string
	// modules are the npm packages.
	modules map[string]string
	// upgraded are the versions of Alpine packages, by origin, that are newer than
	// those of the original image.
	upgraded map[string]string
	// secret plants an env file.
	secret bool
}

func releases() []release {
	return []release{
		{
			version: "1.0", created: time.Date(2024, 9, 10, 8, 0, 0, 0, time.UTC),
			modules: map[string]string{"express": "4.17.1", "lodash": "4.17.20", "minimist": "1.2.5", "moment": "2.29.1", "qs": "6.7.0"},
			secret:  true,
		},
		{
			version: "1.1", created: time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC), user: "10001:10001",
			modules:  map[string]string{"express": "4.21.2", "lodash": "4.18.0", "minimist": "1.2.8", "moment": "2.30.1", "qs": "6.13.0"},
			upgraded: map[string]string{"openssl": "3.3.7-r0", "busybox": "1.36.1-r31", "musl": "1.2.5-r3"},
		},
	}
}

// file is a file of a layer.
type file struct {
	name, text string
	mode       int64
}

// layer is one layer and the line of the Dockerfile that made it.
type layer struct {
	createdBy string
	files     []file
}

func (r release) layers() ([]layer, error) {
	base, err := r.base()
	if err != nil {
		return nil, err
	}
	app, err := r.app()
	if err != nil {
		return nil, err
	}
	layers := []layer{
		{"ADD alpine-minirootfs.tar.gz / # buildkit", base},
		{"COPY . /app # buildkit", app},
	}
	if r.secret {
		layers = append(layers, layer{"COPY .env /app/.env # buildkit", []file{{name: "app/.env", text: env(), mode: 0o644}}})
	}
	return layers, nil
}

// base is Alpine 3.20.3 as far as a scanner looks at it.
func (r release) base() ([]file, error) {
	files := []file{{name: "etc/alpine-release", text: "3.20.3\n", mode: 0o644}}
	for name, source := range map[string]string{
		"etc/os-release": "os-release.txt", "etc/passwd": "passwd.txt", "etc/group": "group.txt",
		"etc/apk/arch": "apk-arch.txt", "etc/apk/repositories": "apk-repositories.txt", "etc/apk/world": "apk-world.txt",
		"lib/apk/db/installed": "apk-installed.txt",
	} {
		text, err := fixtures.ReadFile("fixtures/" + source)
		if err != nil {
			return nil, err
		}
		f := file{name: name, text: string(text), mode: 0o644}
		if source == "apk-installed.txt" {
			f.text = upgrade(f.text, r.upgraded)
		}
		files = append(files, f)
	}
	return files, nil
}

// upgrade sets the versions (V:) of the packages that were built from the given
// origins (o:) in apk's database of installed packages.
func upgrade(installed string, versions map[string]string) string {
	entries := strings.Split(installed, "\n\n")
	for i, entry := range entries {
		lines := strings.Split(entry, "\n")
		at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "o:") })
		if at < 0 {
			continue
		}
		version, found := versions[strings.TrimPrefix(lines[at], "o:")]
		if !found {
			continue
		}
		for j, l := range lines {
			if strings.HasPrefix(l, "V:") {
				lines[j] = "V:" + version
			}
		}
		entries[i] = strings.Join(lines, "\n")
	}
	return strings.Join(entries, "\n\n")
}

// manifest is a package.json.
type manifest struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	License      string            `json:"license"`
	Main         string            `json:"main,omitempty"`
	Dependencies map[string]string `json:"dependencies,omitempty"`
}

func (r release) app() ([]file, error) {
	files := []file{{
		name: "app/server.js", mode: 0o644,
		text: "const app = require('express')();\napp.get('/', (request, response) => response.send('open'));\napp.listen(8080);\n",
	}}
	manifests := map[string]manifest{
		"app": {Name: "shop", Version: r.version + ".0", License: "UNLICENSED", Main: "server.js", Dependencies: r.modules},
	}
	for name, version := range r.modules {
		manifests["app/node_modules/"+name] = manifest{Name: name, Version: version, License: "MIT"}
	}
	for dir, m := range manifests {
		text, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: path.Join(dir, "package.json"), text: string(text) + "\n", mode: 0o644})
	}
	return files, nil
}

// env is a file that should never have been copied into an image. The keys are
// invented, and put together here so that no secret scanner takes this
// repository for the leak.
func env() string {
	id := strings.Join([]string{"AKIA", "DEMO", "ONLY", "NOTA", "REAL"}, "")
	key := strings.Repeat("Not/Real", 5)
	return "PORT=8080\nAWS_ACCESS_KEY_ID=" + id + "\nAWS_SECRET_ACCESS_KEY=" + key + "\n"
}
