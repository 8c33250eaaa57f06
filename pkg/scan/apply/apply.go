// SPDX-License-Identifier: Apache-2.0

// Package apply puts what the layers of an image hold on top of each other, as Trivy's
// applier does (pkg/fanal/applier). That one is not used: it pulls in the whole of
// Trivy, looks through all applications for each of their packages, and writes into
// the layers that it is given. A differential test in the module bench compares both.
package apply

import (
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// Layers returns what an image of these layers, base first, holds. The layers are not
// changed and may be those of several images at once; the result shares strings and
// lists of files with them.
//
// It differs from Trivy's in four ways:
//   - Identifier.UID stays as it is: nothing reads it, and it is most of the work.
//   - Whether something is deleted depends on its path alone. Trivy's keys are paths as
//     well ("app/package.json/type:node-pkg"), so that files of such names delete what
//     is still there.
//   - Where Trivy takes one of several packages by chance, that of the lowest layer
//     and the first path is taken.
//   - Misconfigurations and custom resources are left out: no analyser gives any.
func Layers(blobs []ftypes.BlobInfo) ftypes.ArtifactDetail {
	var d ftypes.ArtifactDetail
	for i := range blobs {
		d.OS.Merge(blobs[i].OS)
		if r := blobs[i].Repository; r != nil {
			d.Repository = r
		}
	}
	top := visible(blobs)
	ofDebian, others := splitLicences(blobs, top.licences)
	d.Packages = osPackages(blobs, top.databases, &d.OS, ofDebian)
	d.Applications = applications(blobs, top.applications)
	d.Secrets = secrets(blobs)
	d.Licenses = others
	d.Sort()
	return d
}

// layerOf is the layer as packages name it.
func layerOf(b *ftypes.BlobInfo) ftypes.Layer {
	return ftypes.Layer{Digest: b.Digest, DiffID: b.DiffID}
}

// splitLicences returns the licences of Debian's packages by name, which its database
// does not hold, and the licence files that stay what they are.
func splitLicences(blobs []ftypes.BlobInfo, at []place) (map[string][]string, ftypes.LicenseFiles) {
	byName := make(map[string][]string, len(at))
	var others ftypes.LicenseFiles
	for _, p := range at {
		l := blobs[p.layer].Licenses[p.index]
		if l.Type != ftypes.LicenseTypeDpkg {
			l.Layer = layerOf(&blobs[p.layer])
			others = append(others, l)
			continue
		}
		byName[l.PkgName] = nil
		if len(l.Findings) > 0 {
			byName[l.PkgName] = l.Findings.Names()
		}
	}
	return byName, others
}
