import pytest

from domain.sns import is_allowed_url, read_message, signed_text


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/a.pem",
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:a:1:b",
    ],
)
def test_sns_itself_needs_no_naming(url: str) -> None:
    assert is_allowed_url(url, ())
    assert not is_allowed_url(url, ("example.com",))


@pytest.mark.parametrize(
    "url",
    [
        None,
        1,
        "",
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "HTTPS://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com",
        "https://sns.us-east-1.amazonaws.com:443/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem#",
        "https://sns.us-east-1.amazonaws.com\\@example.com/a.pem",
        "https://user@sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com/a\n.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem\n",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://evil-sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.bucket.s3.amazonaws.com/a.pem",
        "https://sns.amazonaws.com/a.pem",
        "https://[::1]/a.pem",
        "https://127.0.0.1/a.pem",
    ],
)
def test_anything_else_is_not_sns(url: object) -> None:
    assert not is_allowed_url(url, ())


def test_named_hosts_are_taken_with_their_port() -> None:
    hosts = ("Sns.Example.com", "localhost:8443")
    assert is_allowed_url("https://sns.example.com/a.pem", hosts)
    assert is_allowed_url("https://localhost:8443/a.pem", hosts)
    assert not is_allowed_url("https://sns.example.com:8443/a.pem", hosts)
    assert not is_allowed_url("https://localhost/a.pem", hosts)


def test_what_is_signed_stands_in_its_order_line_by_line() -> None:
    message = {"Type": "Notification", "Subject": "s", "Message": "m\n", "MessageId": "i"}
    message |= {"TopicArn": "t", "Timestamp": "now", "Extra": "x"}
    assert signed_text(message) == (
        b"Message\nm\n\nMessageId\ni\nSubject\ns\nTimestamp\nnow\nTopicArn\nt\nType\nNotification\n"
    )
    del message["Subject"]
    assert b"Subject" not in (signed_text(message) or b"Subject")
    del message["Timestamp"]
    assert signed_text(message) is None


def test_a_subscription_signs_its_url_and_token() -> None:
    message = {"Type": "SubscriptionConfirmation", "Message": "m", "MessageId": "i"}
    message |= {"SubscribeURL": "u", "Token": "k", "TopicArn": "t", "Timestamp": "now"}
    assert signed_text(message) == (
        b"Message\nm\nMessageId\ni\nSubscribeURL\nu\nTimestamp\nnow\nToken\nk\nTopicArn\nt\n"
        b"Type\nSubscriptionConfirmation\n"
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"Type":"Other"}', b'{"Type":[]}', b"\xff"])
def test_what_is_no_message_is_none(body: bytes) -> None:
    assert read_message(body) is None
