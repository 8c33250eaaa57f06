// SPDX-License-Identifier: Apache-2.0

package large

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ocigate/ocigate/pkg/image"
)

// adopted is a layer of a real image: the files below a directory. It is nil where the
// image is not there.
func adopted(ctx context.Context, step, path string, number int, below string) (*layer, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, nil
	}
	set, err := image.Open(ctx, path, image.Options{})
	if err != nil {
		return nil, err
	}
	defer set.Close()
	r, err := set.Images[0].Layers[number].Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	l := &layer{step: step}
	return l, l.adopt(r, below)
}

// base is Alpine: the shared image's, else a generated one of the same release.
func base(ctx context.Context, data string) (*layer, bool, error) {
	const step = "ADD alpine-minirootfs-3.20.3-x86_64.tar.gz / # buildkit"
	l, err := adopted(ctx, step, filepath.Join(data, "images", "alpine-3.20.3.tar"), 0, "")
	if l != nil || err != nil {
		return l, l != nil, err
	}
	l = &layer{step: step}
	l.add("etc/os-release", 0o644, []byte("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME=\"Alpine Linux v3.20\"\n"))
	l.add("etc/alpine-release", 0o644, []byte("3.20.3\n"))
	l.add("etc/apk/repositories", 0o644, []byte("https://dl-cdn.alpinelinux.org/alpine/v3.20/main\n"))
	var b strings.Builder
	for _, p := range []string{"musl 1.2.5-r0", "busybox 1.36.1-r29", "libcrypto3 3.3.2-r0", "libssl3 3.3.2-r0", "zlib 1.3.1-r1", "apk-tools 2.14.4-r0"} {
		name, version, _ := strings.Cut(p, " ")
		fmt.Fprintf(&b, "P:%s\nV:%s\nA:x86_64\nS:1\nI:1\nT:%s\nL:MIT\no:%s\nF:lib\nR:%s.so\n\n", name, version, name, name, name)
	}
	l.add("lib/apk/db/installed", 0o644, []byte(b.String()))
	return l, false, nil
}

// npm is a node_modules directory: the 591 packages of the shared image, else generated ones.
func npm(ctx context.Context, data string) (*layer, bool, error) {
	const step = "RUN npm ci"
	l, err := adopted(ctx, step, filepath.Join(data, "images", "debian-node-zstd.oci.tar"), 2, "app/node_modules/")
	if l != nil || err != nil {
		return l, l != nil, err
	}
	l = &layer{step: step}
	r := random(6)
	for i := range 300 {
		dir := fmt.Sprintf("app/node_modules/%s-%s-%d/", r.of(words), r.of(words), i)
		l.add(dir+"package.json", 0o644, fmt.Appendf(nil, "{\"name\": %q, \"version\": \"1.%d.0\", \"license\": \"MIT\"}\n", filepath.Base(dir), r.n(30)))
		for k := range 30 {
			l.add(fmt.Sprintf("%slib/%s%d.js", dir, r.of(words), k), 0o644, minified(&r, 10+r.n(60)))
		}
	}
	for _, old := range []string{"lodash 4.17.4", "minimist 1.2.0", "express 4.16.0", "axios 0.18.0", "moment 2.18.1", "ws 6.0.0"} {
		name, version, _ := strings.Cut(old, " ")
		l.add("app/node_modules/"+name+"/package.json", 0o644, fmt.Appendf(nil, "{\"name\": %q, \"version\": %q}\n", name, version))
	}
	return l, false, nil
}
