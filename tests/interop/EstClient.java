// SPDX-License-Identifier: Apache-2.0
//
// Bouncy Castle as an EST client: cacerts, csrattrs, simpleenroll with HTTP Basic, simplereenroll with the certificate
// that it got. Prints one line per step; an exception ends it with status 1.
// Usage: java -cp bcprov.jar:bcpkix.jar:bcutil.jar EstClient.java HOST:PORT LABEL SERVER_ROOT.pem DEVICE CLAIM
import java.io.FileInputStream;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.util.Collection;
import java.util.Set;
import javax.net.ssl.KeyManagerFactory;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.est.ESTAuth;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.jcajce.JcaHttpAuthBuilder;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;
import org.bouncycastle.util.Store;

public class EstClient {
  private static KeyPair newKey() throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    return generator.generateKeyPair();
  }

  private static PKCS10CertificationRequest request(KeyPair key, String device) throws Exception {
    return new JcaPKCS10CertificationRequestBuilder(new X500Principal("CN=" + device), key.getPublic())
        .build(new JcaContentSignerBuilder("SHA256withECDSA").build(key.getPrivate()));
  }

  private static X509Certificate only(Store<X509CertificateHolder> store) throws Exception {
    Collection<X509CertificateHolder> all = store.getMatches(null);
    if (all.size() != 1) throw new IllegalStateException("expected one certificate, got " + all.size());
    return new JcaX509CertificateConverter().getCertificate(all.iterator().next());
  }

  private static JsseESTServiceBuilder service(String[] arguments, X509Certificate root) throws Exception {
    JsseESTServiceBuilder builder =
        new JsseESTServiceBuilder(
            arguments[0], JcaJceUtils.getCertPathTrustManager(Set.of(new TrustAnchor(root, null)), null));
    builder.withLabel(arguments[1]);
    return builder;
  }

  public static void main(String[] arguments) throws Exception {
    Security.addProvider(new BouncyCastleProvider());
    X509Certificate root;
    try (FileInputStream file = new FileInputStream(arguments[2])) {
      root = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(file);
    }
    String device = arguments[3];
    ESTService first = service(arguments, root).build();
    System.out.println("cacerts " + first.getCACerts().getCertificateStore().getMatches(null).size());
    System.out.println("csrattrs " + first.getCSRAttributes().hasAttributesResponse());

    ESTAuth basic = new JcaHttpAuthBuilder("muster", device, arguments[4].toCharArray()).build();
    KeyPair key = newKey();
    X509Certificate certificate = only(first.simpleEnroll(false, request(key, device), basic).getStore());
    System.out.println("simpleenroll " + certificate.getSubjectX500Principal());

    KeyStore keys = KeyStore.getInstance("PKCS12");
    keys.load(null, null);
    keys.setKeyEntry("device", key.getPrivate(), new char[0], new X509Certificate[] {certificate});
    KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    managers.init(keys, new char[0]);
    ESTService second = service(arguments, root).withKeyManagers(managers.getKeyManagers()).build();
    X509Certificate renewed = only(second.simpleEnroll(true, request(newKey(), device), null).getStore());
    System.out.println("simplereenroll " + renewed.getSubjectX500Principal());
    if (renewed.getSerialNumber().equals(certificate.getSerialNumber())) throw new IllegalStateException("not renewed");
  }
}
