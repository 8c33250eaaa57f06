// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"path"
	"strings"
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

const inventoryPath = "x86_64-bottlerocket-linux-gnu/sys-root/usr/share/bottlerocket/application-inventory.json"

func TestInventory(t *testing.T) {
	const dir = "analyzer/pkg/bottlerocket_inventory"
	rows := newSource(t, dir+"/bottlerocket_inventory_test.go").cases("wantPkgs")
	if len(rows) < 2 {
		t.Fatalf("%d cases", len(rows))
	}
	for _, row := range rows {
		got, err := run(t, analysis.TypeBottlerocketInventory, inventoryPath, trivyData(t, path.Join(dir, row["path"].(string))))
		if err != nil {
			t.Fatal(err)
		}
		want := as[[]ftypes.Package](t, row["wantPkgs"])
		if len(want) == 0 {
			t.Fatal("nothing is expected")
		}
		equal(t, got, &analysis.Result{PackageInfos: []ftypes.PackageInfo{{FilePath: inventoryPath, Packages: want}}})
	}
}

func TestOddInventories(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                "",
		`{"Content": null}`: "",
		`{"content": [{"name":"a","VERSION":"1"}]} x`:    "a@1",
		`{"Content": [{"Name":"a"}]}`:                    "",
		`{"Content": [{"Name":"a","Epoch":"x"}]}`:        "error",
		`{"Content": [{"Name":"a","Publisher":1}]}`:      "error",
		`{"Content": [{"Name":"a","InstalledTime":""}]}`: "error",
		`{"Content": [`: "error",
		``:              "error",
		`{"Content": [` + strings.Repeat("{},", maxCommas+1) + `{}]}`: "error",
		strings.Repeat("[", maxText):                                  "error",
	} {
		res, err := run(t, analysis.TypeBottlerocketInventory, inventoryPath, []byte(body))
		got := ""
		if err != nil {
			got = "error"
		} else {
			for _, p := range res.PackageInfos[0].Packages {
				got += p.ID
			}
		}
		if got != want {
			t.Errorf("%.60q: %q (%v), want %q", body, got, err, want)
		}
	}
}

func FuzzInventory(f *testing.F) {
	f.Add(trivyData(f, "analyzer/pkg/bottlerocket_inventory/testdata/application-inventory.json"))
	f.Add([]byte(`{"Content": [{"Name": "a", "Version": "1", "Epoch": "-3"}, null]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		res, err := run(t, analysis.TypeBottlerocketInventory, inventoryPath, b)
		if err == nil && len(res.PackageInfos) != 1 {
			t.Errorf("%+v", res)
		}
	})
}
