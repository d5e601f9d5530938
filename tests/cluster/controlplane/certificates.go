package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The keys of one cluster: ca.crt signs tls.crt (every server of the cluster) and client.crt (the API server as a client
// of etcd and of the kubelets); sa.key signs the tokens of service accounts.

func init() {
	programs["certificates"] = writeCertificates
}

func writeCertificates() {
	directory := flag.String("directory", "", "where to write")
	hosts := flag.String("hosts", "", "names and addresses of the servers, by commas")
	flag.Parse()

	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	ca := &x509.Certificate{
		Subject: pkix.Name{CommonName: "test cluster"}, KeyUsage: x509.KeyUsageCertSign,
		IsCA: true, BasicConstraintsValid: true,
	}
	ca = sign(ca, ca, caKey, caKey)
	save(*directory, "ca.crt", "CERTIFICATE", ca.Raw)

	server := &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, KeyUsage: x509.KeyUsageDigitalSignature,
		// etcd dials itself with its server certificate
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range strings.Split(*hosts, ",") {
		if ip := net.ParseIP(host); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, host)
		}
	}
	issue(*directory, "tls", server, ca, caKey)
	issue(*directory, "client", &x509.Certificate{
		Subject:  pkix.Name{CommonName: "kube-apiserver", Organization: []string{"system:masters"}},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca, caKey)

	accounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	saveKey(*directory, "sa.key", accounts)
}

func issue(directory, name string, template, ca *x509.Certificate, caKey *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	save(directory, name+".crt", "CERTIFICATE", sign(template, ca, key, caKey).Raw)
	saveKey(directory, name+".key", key)
}

func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	check(err)
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Minute)
	template.NotAfter = time.Now().AddDate(1, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	check(err)
	certificate, err := x509.ParseCertificate(der)
	check(err)
	return certificate
}

func saveKey(directory, name string, key *ecdsa.PrivateKey) {
	der, err := x509.MarshalECPrivateKey(key)
	check(err)
	save(directory, name, "EC PRIVATE KEY", der)
}

func save(directory, name, kind string, der []byte) {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	check(os.WriteFile(filepath.Join(directory, name), text, 0o600))
}
