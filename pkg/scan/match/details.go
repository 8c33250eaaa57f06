// SPDX-License-Identifier: Apache-2.0

package match

import (
	"maps"
	"slices"
	"sync"

	"github.com/aquasecurity/trivy-db/pkg/db"
	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/vulnerability"
)

// details fills in what the database says about vulnerabilities, whatever package they
// are in: severity, title, description, dates. It may be used concurrently.
type details struct{ client vulnerability.Client }

func newDetails() *details {
	return &details{vulnerability.NewClient(&memo{Operation: db.Config{}, known: map[string]answer{}})}
}

// fill takes the severity from the source that found the vulnerability, where there is
// one, as Trivy does by default.
func (d *details) fill(vs []types.DetectedVulnerability) {
	d.client.FillInfo(vs, []dbtypes.SourceID{"auto"})
}

// memo reads the details of each vulnerability once: many packages share one.
type memo struct {
	db.Operation
	mu    sync.Mutex
	known map[string]answer
}

type answer struct {
	vulnerability dbtypes.Vulnerability
	err           error
}

// GetVulnerability may read twice what two ask for at the same time.
func (m *memo) GetVulnerability(id string) (dbtypes.Vulnerability, error) {
	m.mu.Lock()
	a, ok := m.known[id]
	m.mu.Unlock()
	if !ok {
		a.vulnerability, a.err = m.Operation.GetVulnerability(id)
		m.mu.Lock()
		m.known[id] = a
		m.mu.Unlock()
	}
	v := a.vulnerability
	v.VendorSeverity = maps.Clone(v.VendorSeverity) // FillInfo writes into it
	return v, a.err
}

// unique drops vulnerabilities that were found twice in a package, and sorts as
// Trivy's reports are sorted. Of two the one with the higher fixed version stays,
// compared as text.
func unique(vs []types.DetectedVulnerability) []types.DetectedVulnerability {
	type key struct{ id, pkgID, name, version, path string }
	at := make(map[key]int, len(vs))
	var order []int
	for i := range vs {
		v := &vs[i]
		k := key{v.VulnerabilityID, v.PkgID, v.PkgName, v.InstalledVersion, v.PkgPath}
		j, ok := at[k]
		switch {
		case !ok:
			at[k] = len(order)
			order = append(order, i)
		case vs[order[j]].FixedVersion < v.FixedVersion:
			order[j] = i
		}
	}
	by := types.BySeverity(vs)
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case by.Less(a, b):
			return -1
		case by.Less(b, a):
			return 1
		}
		return 0
	})
	var out []types.DetectedVulnerability
	for _, i := range order {
		out = append(out, vs[i])
	}
	return out
}
