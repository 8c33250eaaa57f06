// SPDX-License-Identifier: Apache-2.0

package analysers

import "github.com/aquasecurity/trivy/pkg/fanal/analyzer"

// samples are files of which Trivy's testdata has few or none.
var samples = map[analyzer.Type][]string{
	analyzer.TypeAlpine: {"3.20.3\n", "3.21.0_alpha20240923", "\n3.1", ""},
	analyzer.TypeAmazon: {"Amazon Linux AMI release 2018.03\n", "Amazon Linux release 2 (Karoo)", "Amazon Linux 2\n", "Amazon Linux 2022 (Amazon Linux)",
		"Amazon Linux release 2023.3.20240312 (Amazon Linux)", "Fedora release 31", "Amazon", "Amazon Linux", "Amazon Linux release ", "Amazon Linux\t2"},
	analyzer.TypeDebian: {"12.5\n", "bookworm/sid\n", "9.0"},
	analyzer.TypeApkRepo: {"https://dl-cdn.alpinelinux.org/alpine/v3.20/main\nhttps://dl-cdn.alpinelinux.org/alpine/v3.20/community\n",
		"http://nl.alpinelinux.org/alpine/v3.7/main\nhttp://nl.alpinelinux.org/alpine/edge/testing", "ftp://x.org/adelie/1.0/system/\n",
		"https://a.b/alpine/v3.9/main\nhttps://a.b/alpine/v3.10/main", "https://packages.adelielinux.org/adelie/1.0-beta4/user/\nhttps://a.b/alpine/v3.10/main",
		"#https://a.b/alpine/v3.9/main\n@edge https://a.b/alpine/edge/main\n", "https://a.b/alpine/latest-stable/main", "httpsss://a.b/foo/v3/\n"},
	analyzer.TypeAlma:       {"AlmaLinux release 8.4 (Electric Cheetah)\n", "AlmaLinux release 9.3", "CentOS release 6"},
	analyzer.TypeCentOS:     {"CentOS Linux release 7.9.2009 (Core)", "CentOS release 6.10 (Final)\n", "CentOS Stream release 9"},
	analyzer.TypeFedora:     {"Fedora release 39 (Thirty Nine)\n", "Fedora release Rawhide", "Fedora release 35"},
	analyzer.TypeOracle:     {"Oracle Linux Server release 8.9\n", "Oracle Linux Server release"},
	analyzer.TypeRocky:      {"Rocky Linux release 9.3 (Blue Onyx)\n", "Rocky Linux release "},
	analyzer.TypeRedHatBase: {"Red Hat Enterprise Linux release 9.3 (Plow)\n", "Red Hat Enterprise Linux Server release 6.10 (Santiago)", "CentOS Linux release 7.9", "Fedora release 3", "AlmaLinux 8.1", "Oracle Linux Server release 7.1", "Rocky Linux release 8.4"},
	analyzer.TypeOSRelease: {"ID=opensuse-leap\nVERSION_ID=\"15.5\"\n", "ID=\"azurelinux\"\nVERSION_ID=\"3.0\"", "ID='wolfi'\nVERSION_ID=20230201\n",
		"ID=ubuntu\nVERSION_ID=\"24.04\"", "ID=bottlerocket\nNAME=Bottlerocket\nVERSION_ID=1.34.0\n", "NAME=\"Debian\"\nID=debian\nVERSION_ID=12",
		"ID=sles\nID=sled\nVERSION_ID=15.3", "VERSION_ID=1\nID=photon", "ID = photon\nVERSION_ID= 4.0", "ID=cos\nVERSION_ID=1", "ID=mariner\nVERSION_ID=\"2.0.20240301\"\n",
		"ID=minimos\nVERSION_ID=1", "ID=echo\nVERSION_ID=1", "ID=chainguard\nVERSION_ID=1", "ID=coreos\nVERSION_ID=39", "ID=activestate\nVERSION_ID=1", "ID=alpaquita\nVERSION_ID=stream",
		"ID=opensuse-tumbleweed\nVERSION_ID=20240301", "ID=sle-micro\nVERSION_ID=5.5", "ID=sl-micro\nVERSION_ID=6.0", "ID=elementary\nVERSION_ID=7"},
	analyzer.TypeUbuntu:    {"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\n", "DISTRIB_RELEASE=22.04\nDISTRIB_ID=Ubuntu", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=", "DISTRIB_ID=Debian\nDISTRIB_RELEASE=12"},
	analyzer.TypeUbuntuESM: {`{"services":[{"name":"esm-infra","status":"enabled"}]}`, `{"services":[{"name":"esm-apps","status":"enabled"},{"name":"esm-infra","status":"disabled"}]}`, `{}`, `[]`},
	analyzer.TypeRedHatDockerfileType: {"FROM sha256:ab\nLABEL maintainer=\"Red Hat\"\nLABEL com.redhat.component=\"ubi8-container\" \\\n      name=\"ubi8\" version=\"8.3\"\nLABEL release=227 architecture=x86_64\nENV a=b\n",
		"ARG C=ubi9\nFROM x AS y\nENV A=s390x\nLABEL BZComponent=\"$C-container\" architecture=\"${A}\"\n", "FROM scratch\nLABEL architecture=x\n", "LABEL a=b\n"},
	analyzer.TypeRedHatContentManifestType: {`{"metadata":{"icm_version":1},"content_sets":["rhel-8-for-x86_64-baseos-rpms","rhel-8-for-x86_64-appstream-rpms"],"image_contents":[]}`,
		`{"content_sets":[]}`, `{}`, `{"from_dnf_hint":true}`, `{"content_sets":null}`, `{"content_sets":["a"]} x`},
	analyzer.TypeRpmqa: {"openssl-libs\t1.1.1k-21.cm2\t1653816591\t1653628955\tMicrosoft Corporation\t(none)\t1574\tx86_64\t0\topenssl-1.1.1k-21.cm2.src.rpm\n" +
		"mariner-release\t2.0-12.cm2\t1653816591\t1653753130\tMicrosoft Corporation\t(none)\t580\tnoarch\t0\tmariner-release-2.0-12.cm2.src.rpm\n",
		"a\t1-1\t1\t1\tv\t(none)\t1\tx86_64\t2\t(none)\n", "a\t1\n", "a\t1-1\t1\t1\tv\t(none)\t1\tx86_64\tx\ta-1-1.src.rpm\n"},
	analyzer.TypeApk: {"C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:alpine-baselayout\nV:3.4.3-r1\nA:x86_64\nL:GPL-2.0-only AND MIT\no:alpine-baselayout\nD:musl so:libc.musl-x86_64.so.1 /bin/sh\np:cmd:mkmntdirs=3.4.3-r1\nF:dev\nF:etc\nR:motd\nZ:Q1SLkS9hBidUbPwwrw+XR0Whv3ww8=\n\nP:musl\nV:1.2.5-r0\np:so:libc.musl-x86_64.so.1=1\nF:lib\nR:x\n\n",
		"P:a\nV:not a version\n\nP:b\nV:1.0\n"},
	analyzer.TypeDpkg: {"Package: adduser\nStatus: install ok installed\nMaintainer: a <b@c>\nArchitecture: all\nVersion: 3.134\nDepends: passwd (>= 1:4.0), debconf (>= 0.5) | debconf-2.0\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: src\nStatus: install ok installed\nSource: other (2:1.0-1~x)\nVersion: 1.0-2+b1\n",
		"Package: x\nVersion: bad version\nStatus: install ok installed\n", "d41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n0123456789abcdef0123456789abcdef  usr/share/doc/x/copyright\n"},
	analyzer.TypeDpkgLicense: {"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: x\nLicense: GPL-2+ and LGPL-2.1\n\nLicense: MIT/Expat\n x\n",
		"see /usr/share/common-licenses/GPL-3.\n", "License: Apache-2.0, BSD-3-clause or Artistic\n"},
	analyzer.TypeCargo: {"[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\"b 1.0.0 (registry+https://x)\", \"c\"]\n\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"c\"\nversion = \"0.1.0\"\n"},
}
