// SPDX-License-Identifier: Apache-2.0

package main

// aCase is one row of the table, or two if it has a second run.
type aCase struct {
	name string
	// image names one of images.
	image   string
	secrets bool
	// cached measures the second run: every layer is in each program's cache.
	cached bool
	// start measures the start of the process; there is no image.
	start bool
	// The bounds of ratios: of wall time to the CLI's, of wall time to the floor's, and
	// of peak memory to the CLI's. 0 is none.
	wall, floor, memory float64
	// first is the bound of a cached run to the first run of the case of that name.
	first     float64
	firstCase string
}

// The names of the images.
const (
	largeArchive  = "A"
	largeLayout   = "B layout"
	largeRegistry = "B registry"
	alpine        = "Alpine registry"
)

// cases are those of the table of targets, in its order, then the small shared images.
func cases() []aCase {
	all := []aCase{
		{name: "A: large archive, both scanners", image: largeArchive, secrets: true, wall: 0.18, memory: 1.5},
		{name: "A: vulnerabilities only", image: largeArchive, wall: 0.45},
		{name: "B: gzip layers, layout, both scanners", image: largeLayout, secrets: true, wall: 0.40, floor: 1.5},
		{name: "B: gzip layers, registry, both scanners", image: largeRegistry, secrets: true, wall: 0.40, floor: 1.5},
		{name: "B: layout, vulnerabilities only", image: largeLayout, floor: 1.3},
		{name: "B: registry, vulnerabilities only", image: largeRegistry, floor: 1.3},
		{name: "bench-files, layout", image: "bench-files.oci.tar", secrets: true, wall: 0.20},
		{name: "debian-node-zstd, layout", image: "debian-node-zstd.oci.tar", secrets: true, wall: 0.60},
		{name: "alpine-3.20.3, registry", image: alpine, secrets: true, wall: 0.75},
		{name: "A: second run", image: largeArchive, secrets: true, cached: true, wall: 1.0, first: 0.20, firstCase: "A: large archive, both scanners"},
		{name: "B: layout, second run", image: largeLayout, secrets: true, cached: true, wall: 1.0, first: 0.20, firstCase: "B: gzip layers, layout, both scanners"},
		{name: "B: registry, second run", image: largeRegistry, secrets: true, cached: true, wall: 1.0, first: 0.20, firstCase: "B: gzip layers, registry, both scanners"},
		{name: "start of the process", start: true, wall: 1.0},
	}
	for _, image := range []string{"alpine-3.10.3.tar", "alpine-3.20.3.tar", "static-go-old.tar", "skel-alpine-3.10.3.tar", "skel-alpine-3.20.3.tar",
		"skel-app.tar", "skel-debian-node.tar", "skel-planted.tar"} {
		all = append(all, aCase{name: image, image: image, secrets: true}, aCase{name: image + ", second run", image: image, secrets: true, cached: true})
	}
	return all
}
